"""What counts as a participle and what counts as dialect, by the lists of ``words.toml``."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

_LISTS = tomllib.loads((Path(__file__).parent / "words.toml").read_text())
IRREGULAR = frozenset(_LISTS["irregular"].split())
EXEMPT = frozenset(_LISTS["not_participles"].split()) | frozenset(_LISTS["allowed"])
DIALECT: dict[str, str] = _LISTS["dialect"]
SUFFIXES = ("ed", "ing")
STEM_MIN = 3
"""Letters of the shortest word that is read as a participle by its ending, without it: ``moved``, not ``red``."""

_WORD = re.compile(r"[A-Za-z]+(?:'[a-z]+)?")
_NAME_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_DIALECT = re.compile(
    r"\b(" + "|".join(re.escape(word).replace(r"\ ", r"\s+") for word in DIALECT) + r")\b", re.IGNORECASE
)


def first_word(name: str) -> str:
    """The first word of a name, in small letters: ``_sent_messages`` → ``sent``; ``""`` where a name has no letters."""
    match = _NAME_PART.search(name)
    return match.group().lower() if match else ""


def is_participle(name: str) -> bool:
    """Whether the first word is a past participle or a gerund: ``sent_messages``, ``making``; not ``parse_created``."""
    word = first_word(name)
    if word in EXEMPT:
        return False
    return word in IRREGULAR or any(len(word.removesuffix(end)) >= STEM_MIN for end in SUFFIXES if word.endswith(end))


def dialect_in(text: str) -> Iterator[tuple[int, str, str]]:
    """(position, word, plain words) of each dialect word in a text."""
    for match in _DIALECT.finditer(text):
        word = " ".join(match.group().lower().split())
        yield match.start(), word, DIALECT[word]


def count_words(text: str) -> int:
    """How many words a text has."""
    return len(_WORD.findall(text))

"""Where a text may be cut inaudibly: after sentences. Pure, and linear in the text."""

import re
from collections.abc import Iterator

PIECE_CHARS_MAX = 1_000
"""A longer sentence is cut between words, or anywhere if there are none."""
_WORD = re.compile(r"\S+\s*|\s+")
_CLOSING = "\"'»”’)"
_ENDING = (".", "!", "?", "…", "。", ";")


def pieces(text: str) -> Iterator[str]:
    """The text in order, a sentence each; together they are the whole text."""
    for sentence in _sentences(text):
        rest = sentence
        while len(rest) > PIECE_CHARS_MAX:
            cut = rest.rfind(" ", 0, PIECE_CHARS_MAX) + 1 or PIECE_CHARS_MAX
            yield rest[:cut]
            rest = rest[cut:]
        if rest:
            yield rest


def _sentences(text: str) -> Iterator[str]:
    sentence: list[str] = []
    for match in _WORD.finditer(text):
        word = match.group()
        sentence.append(word)
        if "\n" in word or word.rstrip().rstrip(_CLOSING).endswith(_ENDING):
            yield "".join(sentence)
            sentence = []
    yield "".join(sentence)

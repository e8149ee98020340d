"""Finding words that an operator bans, the same way everywhere: case, accents and invisible characters make no
difference."""

import re
import unicodedata
from collections.abc import Iterable


class BannedWords:
    """A list of words and phrases. ``whole`` ones are found as words only ("kill" not in "skill"), others anywhere."""

    def __init__(self, words: Iterable[str], *, whole: bool) -> None:
        self._spelt = {fold(word): word.strip() for word in words if fold(word)}
        longest_first = sorted(self._spelt, key=len, reverse=True)
        either = "|".join(re.escape(word) for word in longest_first)
        self._pattern = re.compile(rf"(?<!\w)(?:{either})(?!\w)" if whole else either) if either else None

    @classmethod
    def from_list(cls, words: str, *, whole: bool) -> "BannedWords":
        """From one line, as settings have it: the words separated by commas."""
        return cls(words.split(","), whole=whole)

    def __bool__(self) -> bool:
        return self._pattern is not None

    def first_in(self, text: str | None) -> str | None:
        """The first banned word in the text, as the operator spelt it; None where there is none."""
        found = self._pattern.search(fold(text)) if self._pattern and text else None
        return self._spelt[found[0]] if found else None


def fold(text: str) -> str:
    """Without case, accents and invisible characters, every run of blanks a single space."""
    visible = (char for char in unicodedata.normalize("NFKD", text) if unicodedata.category(char) not in ("Mn", "Cf"))
    return " ".join("".join(visible).casefold().split())

"""Text as people and systems write it: what stays out of it, and what it becomes before anybody counts or keeps it.

Every system's line breaks are read as one; of other characters only those stay out that are none (C0 and C1 controls,
halves of surrogate pairs), and from one line also what would begin another.
"""

import re
import unicodedata

from pydantic_core import PydanticCustomError

_LINE_BREAK = re.compile("\r\n|[\r\x0b\x0c\x85\u2028\u2029]")
_NOT_OF_PROSE = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f]")
_NOT_OF_ONE_LINE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_INVISIBLE_LETTERS = frozenset("\u034f\u115f\u1160\u2800\u3164\ufe0e\ufe0f\uffa0")
"""Not spaces by their category, and yet nothing is seen of them."""


def prose(text: str) -> str:
    """Text of many lines, its lines ended by LF. Raises PydanticCustomError."""
    text = _LINE_BREAK.sub("\n", _whole(text))
    if _NOT_OF_PROSE.search(text):
        raise PydanticCustomError("control_characters", "control characters are not allowed")
    return text


def one_line(text: str) -> str:
    """A name, a word: nothing that could forge a second line in a log. Raises PydanticCustomError."""
    if _NOT_OF_ONE_LINE.search(_whole(text)):
        raise PydanticCustomError("one_line", "it must be one line, without control characters")
    return not_blank(text)


def not_blank(text: str) -> str:
    """Text that shows something. Raises PydanticCustomError."""
    if is_blank(text):
        raise PydanticCustomError("blank", "it must not be empty" if not text else "it must not be blank")
    return text


def is_blank(text: str) -> bool:
    """Whether there is nothing to see: spaces of any width, joiners, marks of direction."""
    return all(
        character.isspace() or character in _INVISIBLE_LETTERS or unicodedata.category(character) == "Cf"
        for character in text
    )


def _whole(text: str) -> str:
    if _SURROGATE.search(text):
        raise PydanticCustomError("surrogates", "half of a surrogate pair is no character")
    return text

"""Cursors: the last id a client has seen, as it travels in a URL."""

from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from typing import TypeVar
from uuid import UUID

from atelier_gateway.web.problems import field_problem

DIGITS_MAX = 20
"""Of a number in a query string, leading zeros included."""


Item = TypeVar("Item")


def parse_page(query: Mapping[str, str], *, default: int, most: int) -> tuple[int, UUID | None]:
    """``limit`` and ``cursor`` of a query string. Raises Problem 400 naming the one that is wrong."""
    return parse_number(query, "limit", default=default, most=most), parse_cursor(query.get("cursor"))


def parse_number(query: Mapping[str, str], name: str, *, default: int, most: int) -> int:
    """The number that a parameter says, at least 1; the number that is judged is the one that is used.

    Raises Problem 400.
    """
    text = query.get(name, str(default))
    number = int(text) if len(text) <= DIGITS_MAX and text.isascii() and text.isdecimal() else 0
    if not 1 <= number <= most:
        raise field_problem(name, f"a whole number from 1 to {most} is required")
    return number


def parse_cursor(text: str | None) -> UUID | None:
    """The cursor, or None for the first page. Raises Problem 400."""
    try:
        return UUID(text) if text is not None else None
    except ValueError:
        raise field_problem("cursor", "this is no cursor of ours") from None


def split_page(
    found: Sequence[Item], limit: int, id_of: Callable[[Item], object] = attrgetter("id")
) -> tuple[Sequence[Item], str | None]:
    """The items of the page, and the cursor of the next page, or None on the last one.

    ``found`` holds up to ``limit + 1`` items, so that a full last page is known to be the last.
    """
    items = found[:limit]
    return items, str(id_of(items[-1])) if len(found) > limit else None

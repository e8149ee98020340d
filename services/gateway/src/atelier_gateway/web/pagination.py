"""Cursors: the last id a client has seen, as it travels in a URL."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from atelier_gateway.projection.store import Generation
from atelier_gateway.web.problems import Problem

DIGITS_MAX = 20
"""Leading zeros included; anything longer is no number of a page."""


def page_of(query: Mapping[str, str], *, default: int, most: int) -> tuple[int, UUID | None]:
    """``limit`` and ``cursor`` of a query string. Raises Problem 400 naming the one that is wrong."""
    return whole(query, "limit", default=default, most=most), cursor_from(query.get("cursor"))


def whole(query: Mapping[str, str], name: str, *, default: int, most: int) -> int:
    """The number that a parameter says, at least 1; the number that is judged is the one that is used.

    Raises Problem 400.
    """
    text = query.get(name, str(default))
    number = int(text) if len(text) <= DIGITS_MAX and text.isascii() and text.isdecimal() else 0
    if not 1 <= number <= most:
        raise _invalid(name, f"a whole number from 1 to {most} is required")
    return number


def cursor_from(text: str | None) -> UUID | None:
    """The cursor, or None for the first page. Raises Problem 400."""
    try:
        return UUID(text) if text is not None else None
    except ValueError:
        raise _invalid("cursor", "this is no cursor of ours") from None


def page_and_cursor(found: Sequence[Generation], limit: int) -> tuple[Sequence[Generation], str | None]:
    """The page, and what leads to the next one; None where there is none. ``found`` holds one more than the page has
    room for, where there is one: a page that is just full is not mistaken for one with more behind it."""
    page = found[:limit]
    return page, str(page[-1].id) if len(found) > limit else None


def _invalid(field: str, why: str) -> Problem:
    return Problem("invalid_request", f"{field}: {why}", details={"errors": [{"field": field, "message": why}]})

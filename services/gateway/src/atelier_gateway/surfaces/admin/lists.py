"""Lists of the admin API: one shape, one cursor, for whatever has an id that is ordered by time."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, ClassVar, Protocol
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from atelier_gateway.web.json_bodies import field_problem, json_response
from atelier_gateway.web.pagination import page_of

LIST_DEFAULT, LIST_MAX = 20, 100


class Item(Protocol):
    """A dataclass with an id."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def id(self) -> UUID:
        """Newer ones are greater."""


async def listed(
    request: Request,
    load: Callable[[UUID | None, int], Awaitable[Sequence[Item]]],
    view: Callable[[Any], dict[str, Any]] = asdict,
) -> Response:
    """``{data, next_cursor}``, newest first; ``load(before, limit)`` finds them. Raises Problem 400."""
    limit, before = page_of(request.query_params, default=LIST_DEFAULT, most=LIST_MAX)
    found = await load(before, limit + 1)
    cursor = found[limit - 1].id if len(found) > limit else None
    return json_response({"data": [view(item) for item in found[:limit]], "next_cursor": cursor})


def word_in(query: Mapping[str, str], name: str) -> str | None:
    """A word to filter by. Raises Problem 400 for what no name holds, and no database."""
    word = query.get(name)
    if word is not None and not word.isprintable():
        raise field_problem(name, "one line of printable text is required")
    return word


def id_in(query: Mapping[str, str], name: str) -> UUID | None:
    """An id to filter by. Raises Problem 400."""
    try:
        return UUID(query[name]) if name in query else None
    except ValueError:
        raise field_problem(name, "an id is required") from None

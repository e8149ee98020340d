"""How the admin API shows accounts, operators and their actions; its lists, page by page."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict
from typing import Any, ClassVar, Protocol
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from atelier_gateway.identity import operator_acts
from atelier_gateway.identity.users import Person
from atelier_gateway.web.json_bodies import json_response
from atelier_gateway.web.pagination import parse_page, split_page

LIST_DEFAULT, LIST_MAX = 20, 100


class Item(Protocol):
    """A dataclass with an id."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def id(self) -> UUID:
        """Newer ones are greater."""


async def list_response(
    request: Request,
    load: Callable[[UUID | None, int], Awaitable[Sequence[Item]]],
    view: Callable[[Any], dict[str, Any]] = asdict,
) -> Response:
    """``{data, next_cursor}``, newest first; ``load(before, limit)`` loads a page. Raises Problem 400."""
    limit, before = parse_page(request.query_params, default=LIST_DEFAULT, most=LIST_MAX)
    found = await load(before, limit + 1)
    items, cursor = split_page(found, limit)
    return json_response({"data": [view(item) for item in items], "next_cursor": cursor})


def user_view(person: Person) -> dict[str, Any]:
    return {
        "id": person.id,
        "email": person.email,
        "disabled": person.disabled_at is not None,
        "created_at": person.created_at,
    }


def act_view(act: operator_acts.OperatorAct) -> dict[str, Any]:
    return {
        "id": act.id,
        "at": act.at,
        "act": act.act,
        "target": {"kind": act.target_kind, "id": act.target_id},
        "operator": {"id": act.operator_id, "name": act.operator_name},
        "request_id": act.request_id,
        "details": act.details,
    }

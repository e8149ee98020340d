"""Routes for operators: the caps of an account."""

from typing import Any, get_args

from fastapi import APIRouter, Request
from starlette.responses import Response

from atelier_contracts import Owner, SetCap, Spender, cap_id_of
from atelier_contracts.caps import CapPeriod
from atelier_contracts.routes import reply_key
from atelier_contracts.value_objects import OwnerKind
from atelier_gateway.container import Container
from atelier_gateway.identity import users
from atelier_gateway.identity.spenders import is_spender
from atelier_gateway.peers.caps import list_caps, set_cap
from atelier_gateway.peers.client import PeerUnavailable, unavailable_problem
from atelier_gateway.projection.caps import cap_view
from atelier_gateway.surfaces.admin.access import operators_routes, record
from atelier_gateway.surfaces.admin.cap_openapi import CAP_REMOVED, CAP_SET, CAPS
from atelier_gateway.surfaces.admin.openapi import PAGED
from atelier_gateway.surfaces.admin.requests import CapLimit
from atelier_gateway.surfaces.admin.responses import LIST_DEFAULT, LIST_MAX
from atelier_gateway.web.json_bodies import body_schema, id_from_path, json_response, parse_body
from atelier_gateway.web.pagination import parse_page, split_page
from atelier_gateway.web.problems import not_found
from atelier_messaging import Transaction

ONE = "/{owner_kind}/{owner_id}/{spender_kind}/{spender_id}/{period}"
KINDS, PERIODS = get_args(OwnerKind), get_args(CapPeriod)


def router(container: Container) -> APIRouter:
    """Routes under ``/v1/admin/caps``."""
    routes = operators_routes(container, "/caps")

    @routes.get("/{owner_kind}/{owner_id}", responses=CAPS, openapi_extra=PAGED)
    async def list_account_caps(request: Request, owner_kind: str, owner_id: str) -> Response:
        """List the caps of an account, with what counts towards each in its present period."""
        owner = _owner(owner_kind, owner_id)
        if not await users.exists(container.pool, owner.kind, owner.id):
            raise not_found("account")
        limit, after = parse_page(request.query_params, default=LIST_DEFAULT, most=LIST_MAX)
        try:
            found = await list_caps(container.peers, owner, after=after, limit=limit + 1)
        except PeerUnavailable as error:
            raise unavailable_problem(error) from error
        page, cursor = split_page(found, limit)
        return json_response({"data": [cap_view(cap) for cap in page], "next_cursor": cursor})

    @routes.put(ONE, responses=CAP_SET, openapi_extra=body_schema(CapLimit))
    async def set_cap_limit(
        request: Request, owner_kind: str, owner_id: str, spender_kind: str, spender_id: str, period: str
    ) -> Response:
        """Set a cap: the most credits that a spender of the account may have held and captured in a period of UTC.

        The spender is the account itself, an API `key` of a store, or a `user` who acts for a workspace. A new cap
        counts what is reserved from now on. 202: billing has not answered yet; it will be set.
        """
        body = await parse_body(request, CapLimit)
        command = _command(container, owner_kind, owner_id, spender_kind, spender_id, period)
        if not await is_spender(container.pool, command.owner, command.spender):
            raise not_found("spender")
        command = command.model_copy(update={"credits": body.credits, "recount": body.recount})
        reply = await _send(container, request, command)
        if reply is None or reply.cap is None:
            return json_response({"id": command.cap_id}, 202)
        return json_response(cap_view(reply.cap))

    @routes.delete(ONE, status_code=204, responses=CAP_REMOVED)
    async def remove_cap(
        request: Request, owner_kind: str, owner_id: str, spender_kind: str, spender_id: str, period: str
    ) -> Response:
        """Remove a cap. 202: billing has not answered yet; it will be removed."""
        command = _command(container, owner_kind, owner_id, spender_kind, spender_id, period)
        reply = await _send(container, request, command)
        return Response(status_code=204) if reply else json_response({"id": command.cap_id}, 202)

    return routes


async def _send(container: Container, request: Request, command: SetCap) -> Any:
    async def note(tx: Transaction) -> None:
        details = command.model_dump(mode="json", include={"cap_id", "spender", "period", "credits", "recount"})
        act = "caps.remove" if command.credits is None else "caps.set"
        await record(tx, request, act, command.owner.kind, command.owner.id, **details)

    timeout_s = container.settings.admission_s
    return await set_cap(container.bus, container.reply_listener, command, note, timeout_s=timeout_s)


def _command(
    container: Container, owner_kind: str, owner_id: str, spender_kind: str, spender_id: str, period: str
) -> SetCap:
    """The command without a limit. Raises Problem 404."""
    owner = _owner(owner_kind, owner_id)
    spender = Spender(kind=spender_kind[:20], id=id_from_path(spender_id, "spender"))
    if period not in PERIODS:
        raise not_found("period")
    return SetCap.model_validate(
        {
            "cap_id": cap_id_of(owner, spender, period),  # type: ignore[arg-type]  # one of PERIODS
            "owner": owner,
            "spender": spender,
            "period": period,
            "reply_to": reply_key(container.instance_id),
        }
    )


def _owner(kind: str, id_: str) -> Owner:
    if kind not in KINDS:
        raise not_found("account")
    return Owner.model_validate({"kind": kind, "id": id_from_path(id_, "account")})

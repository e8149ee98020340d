"""Routes for operators: what an account's records say, postings and webhooks, and a webhook sent once more."""

from datetime import UTC, datetime
from operator import itemgetter
from typing import Any, Literal, get_args
from uuid import UUID

from fastapi import APIRouter, Request
from pydantic import BaseModel
from starlette.responses import Response

from atelier_contracts import Owner
from atelier_contracts.value_objects import OwnerKind
from atelier_gateway.container import Container
from atelier_gateway.identity import users
from atelier_gateway.peers.client import PeerUnavailable, unavailable_problem
from atelier_gateway.peers.usage import PeriodTooLarge, fetch_usage
from atelier_gateway.surfaces.admin.access import operators_routes, record
from atelier_gateway.surfaces.admin.openapi import ACT, PAGED, made, refusals
from atelier_gateway.surfaces.admin.responses import LIST_DEFAULT, LIST_MAX
from atelier_gateway.web.json_bodies import id_from_path, json_response
from atelier_gateway.web.openapi_responses import Responses
from atelier_gateway.web.pagination import parse_page, split_page
from atelier_gateway.web.periods import FROM, TO, parse_period
from atelier_gateway.web.problems import field_problem, not_found
from atelier_gateway.webhooks import delivery_store
from atelier_gateway.webhooks.delivery_store import WebhookDelivery
from atelier_gateway.webhooks.receiver_urls import host_of

KINDS = get_args(OwnerKind)
ENTRY_FIELDS = ("id", "at", "kind", "debit", "credit", "credits", "generation_id", "grant_id")
AMOUNTS = ("generations", "reserved", "captured", "refunded", "returned")
ATTEMPT_FIELDS = ("number", "at", "duration_ms", "status", "error")


class AccountEntry(BaseModel):
    """One posting of an account."""

    id: UUID
    at: datetime
    kind: str
    debit: str
    credit: str
    credits: int
    generation_id: UUID | None
    grant_id: UUID | None


class AccountEntryPage(BaseModel):
    """Postings of an account, newest first."""

    data: list[AccountEntry]
    next_cursor: UUID | None


class AccountDeliveryAttempt(BaseModel):
    """One try of a delivery: the status that was answered, or why there was none."""

    number: int
    at: datetime
    duration_ms: int
    status: int | None
    error: str | None


class AccountDelivery(BaseModel):
    """A webhook delivery; of its receiver only the host, since the rest of a URL may be a secret."""

    id: UUID
    host: str
    type: str
    generation_id: UUID | None
    state: Literal["pending", "delivered", "failed"]
    attempts: list[AccountDeliveryAttempt]
    next_try_at: datetime | None
    created_at: datetime


class AccountDeliveryPage(BaseModel):
    """Webhook deliveries of an account, newest first."""

    data: list[AccountDelivery]
    next_cursor: UUID | None


class AccountUsage(BaseModel):
    """What an account used in a period, by its postings; ``charged`` is ``captured`` less ``returned``."""

    since: datetime
    until: datetime
    generations: int
    reserved: int
    captured: int
    refunded: int
    returned: int
    charged: int


USED: Responses = {200: made(AccountUsage, "The sums"), **refusals("invalid_request", "not_found")}
ENTRIES: Responses = {200: made(AccountEntryPage, "Newest first"), **refusals("invalid_request", "not_found")}
DELIVERIES: Responses = {200: made(AccountDeliveryPage, "Newest first"), **refusals("invalid_request", "not_found")}
REPLAYED: Responses = {202: made(AccountDelivery, "It is sent again"), **refusals(ACT, "not_found")}


def router(container: Container) -> APIRouter:
    """Routes under ``/v1/admin/accounts``, for operators."""
    routes = operators_routes(container, "/accounts/{kind}/{id}")
    _add_books(routes, container)
    _add_deliveries(routes, container)
    return routes


def _add_books(routes: APIRouter, container: Container) -> None:
    @routes.get("/entries", responses=ENTRIES, openapi_extra=PAGED)
    async def list_account_entries(request: Request, kind: str, id: str) -> Response:
        """List the postings of an account, newest first."""
        owner = await _owner(container, kind, id)
        limit, before = parse_page(request.query_params, default=LIST_DEFAULT, most=LIST_MAX)
        try:
            found = await container.peers.get_entries(owner, before=before, limit=limit + 1)
        except PeerUnavailable as error:
            raise unavailable_problem(error) from error
        page, cursor = split_page(found, limit, itemgetter("id"))
        return json_response(
            {"data": [{name: entry[name] for name in ENTRY_FIELDS} for entry in page], "next_cursor": cursor}
        )

    @routes.get("/usage", responses=USED, openapi_extra={"parameters": [FROM, TO]})
    async def get_account_usage(request: Request, kind: str, id: str) -> Response:
        """Get what an account used in a period, this month unless it says otherwise."""
        owner = await _owner(container, kind, id)
        period = parse_period(request.query_params, datetime.now(UTC))
        try:
            sums = await fetch_usage(container.peers, owner, period.since, period.until, ())
        except PeerUnavailable as error:
            raise unavailable_problem(error) from error
        except PeriodTooLarge as error:
            raise field_problem("to", f"{error}: a shorter period is required") from error
        totals = {name: sum(int(row[name]) for row in sums) for name in AMOUNTS}
        totals["charged"] = totals["captured"] - totals["returned"]
        return json_response({"since": period.since, "until": period.until, **totals})


def _add_deliveries(routes: APIRouter, container: Container) -> None:
    @routes.get("/deliveries", responses=DELIVERIES, openapi_extra=PAGED)
    async def list_account_deliveries(request: Request, kind: str, id: str) -> Response:
        """List the webhook deliveries of an account, newest first."""
        owner = await _owner(container, kind, id)
        limit, before = parse_page(request.query_params, default=LIST_DEFAULT, most=LIST_MAX)
        found = await delivery_store.list_page(container.pool, owner, before=before, limit=limit + 1)
        page, cursor = split_page(found, limit)
        return json_response({"data": [delivery_view(delivery) for delivery in page], "next_cursor": cursor})

    @routes.post("/deliveries/{delivery_id}/replay", status_code=202, responses=REPLAYED)
    async def replay_account_delivery(request: Request, kind: str, id: str, delivery_id: str) -> Response:
        """Replay a webhook delivery of an account. It is sent again under the same id."""
        owner, known = await _owner(container, kind, id), id_from_path(delivery_id, "delivery")
        async with container.bus.unit.once() as tx:
            if await delivery_store.find(tx.connection, owner, known) is None:
                raise not_found("delivery")
            await delivery_store.replay(tx.connection, owner, known)
            await record(tx, request, "webhook.replay", owner.kind, owner.id, delivery_id=str(known))
            tx.after_commit(container.webhook_dispatcher.wake)
        replayed = await delivery_store.find(container.pool, owner, known)
        if replayed is None:
            raise not_found("delivery")
        return json_response(delivery_view(replayed), 202)


async def _owner(container: Container, kind: str, id_: str) -> Owner:
    owner_id = id_from_path(id_, "account")
    if kind not in KINDS or not await users.exists(container.pool, kind, owner_id):
        raise not_found("account")
    return Owner.model_validate({"kind": kind, "id": owner_id})


def delivery_view(delivery: WebhookDelivery) -> dict[str, Any]:
    """As operators see it."""
    return {
        "id": delivery.id,
        "host": host_of(delivery.url),
        "type": delivery.type,
        "generation_id": delivery.generation_id,
        "state": delivery.state,
        "attempts": [{name: attempt.get(name) for name in ATTEMPT_FIELDS} for attempt in delivery.attempts],
        "next_try_at": delivery.next_try_at if delivery.state == "pending" else None,
        "created_at": delivery.created_at,
    }

"""Routes for operators: how the providers do, what unknown outcomes may cost, and breakers held open or closed."""

from datetime import datetime
from typing import Any, Literal
from urllib.parse import quote
from uuid import UUID

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from atelier_gateway.container import Container
from atelier_gateway.peers.client import PeerUnavailable, unavailable_problem
from atelier_gateway.surfaces.admin.access import operator_of, operators_routes, record
from atelier_gateway.surfaces.admin.openapi import ACT, BODY, PAGED, made, refusals
from atelier_gateway.surfaces.admin.responses import LIST_DEFAULT, LIST_MAX
from atelier_gateway.web.json_bodies import MultilineText, RequestBody, body_schema, json_response, parse_body
from atelier_gateway.web.openapi_responses import Responses, query
from atelier_gateway.web.pagination import parse_number, parse_page, split_page
from atelier_gateway.web.problems import not_found

ROOT = "/internal/providers"
HOURS_DEFAULT, HOURS_MAX = 24, 168
MINUTES_MAX = 7 * 1_440
NAME_CHARS_MAX = 60


class BreakerOverrideOrder(RequestBody):
    """How a provider's breaker is held, for how long, and why. ``open``: it is not used; ``closed``: it is used
    whatever it answers."""

    state: Literal["open", "closed"]
    minutes: int = Field(ge=1, le=MINUTES_MAX)
    reason: MultilineText = Field(min_length=1, max_length=500)


class HeldBreaker(BaseModel):
    """A breaker that an operator holds."""

    state: Literal["open", "closed"]
    until: datetime
    reason: str
    operator: str
    set_at: datetime


class ProviderReport(BaseModel):
    """A provider in the last hours. ``attempts`` at generations, those that ``failed``, and the seconds of those that
    were done; ``outcomes`` of submissions to a remote one, by what they came to. ``breaker``: in the process that was
    asked; null for one that is not remote."""

    provider: str
    configured: bool
    breaker: Literal["closed", "half-open", "open"] | None
    override: HeldBreaker | None
    attempts: int
    failed: int
    p50_s: float | None
    p95_s: float | None
    outcomes: dict[str, int]


class ProviderReportList(BaseModel):
    """Each provider that is configured or was used within ``hours``."""

    hours: int
    data: list[ProviderReport]


class BreakerState(BaseModel):
    """The breaker as it is now in the process that was asked; the others follow within 3 s."""

    provider: str
    state: Literal["closed", "half-open", "open"]


class UnknownSubmission(BaseModel):
    """A submission that may cost something: it is under way, or what became of it was never known."""

    id: UUID
    generation_id: UUID
    provider: str
    key: str
    state: Literal["sent", "reconciling", "ended"]
    outcome: str | None
    sent_at: datetime
    lost_at: datetime | None
    exposure_micros: int
    currency: str | None
    request_ids: list[str]


class UnknownSubmissionPage(BaseModel):
    """Newest first."""

    data: list[UnknownSubmission]
    next_cursor: UUID | None


LISTED: Responses = {200: made(ProviderReportList, "Now"), **refusals("invalid_request")}
EXPOSED: Responses = {200: made(UnknownSubmissionPage, "Newest first"), **refusals("invalid_request")}
HELD: Responses = {200: made(BreakerState, "Held"), **refusals(*BODY, "not_found")}
RELEASED: Responses = {200: made(BreakerState, "Released"), **refusals(ACT, "not_found")}
HOURS = query("hours", {"type": "integer", "minimum": 1, "maximum": HOURS_MAX, "default": HOURS_DEFAULT}, "Until now.")


def router(container: Container) -> APIRouter:
    """Routes under ``/v1/admin/providers``, for operators."""
    routes = operators_routes(container, "/providers")
    _add_reads(routes, container)
    _add_overrides(routes, container)
    return routes


def _add_reads(routes: APIRouter, container: Container) -> None:
    @routes.get("", responses=LISTED, openapi_extra={"parameters": [HOURS]})
    async def list_providers(request: Request) -> Response:
        """List the providers with their times, failures and breakers in the last hours."""
        hours = parse_number(request.query_params, "hours", default=HOURS_DEFAULT, most=HOURS_MAX)
        found = await _ask(container, "GET", f"{ROOT}?hours={hours}")
        return json_response({"hours": hours, "data": [_view(row) for row in found["providers"]]})

    @routes.get("/unknown", responses=EXPOSED, openapi_extra=PAGED)
    async def list_unknown_submissions(request: Request) -> Response:
        """List the submissions whose cost is not known yet, newest first."""
        limit, before = parse_page(request.query_params, default=LIST_DEFAULT, most=LIST_MAX)
        older = f"&before={before}" if before else ""
        found = await _ask(container, "GET", f"{ROOT}/unknown?limit={limit + 1}{older}")
        rows = [UnknownSubmission(**row) for row in found["submissions"]]
        page, cursor = split_page(rows, limit)
        return json_response({"data": [row.model_dump(mode="json") for row in page], "next_cursor": cursor})


def _add_overrides(routes: APIRouter, container: Container) -> None:
    @routes.put("/{name}/breaker", responses=HELD, openapi_extra=body_schema(BreakerOverrideOrder))
    async def set_provider_breaker(request: Request, name: str) -> Response:
        """Set the breaker of a remote provider, open or closed, for some minutes; it ends by itself."""
        body, provider = await parse_body(request, BreakerOverrideOrder), _checked(name)
        await _require_breaker(container, provider)
        details = {"provider": provider, **body.model_dump()}
        async with container.bus.unit.once() as tx:
            await record(tx, request, "provider.hold_breaker", "provider", None, **details)
        order = {"state": body.state, "seconds": body.minutes * 60, "reason": body.reason}
        order |= {"operator": operator_of(request).name}
        found = await _ask(container, "PUT", f"{ROOT}/{quote(provider, safe='')}/breaker", order)
        return json_response({"provider": provider, "state": found["state"]})

    @routes.delete("/{name}/breaker", responses=RELEASED)
    async def remove_provider_breaker(request: Request, name: str) -> Response:
        """Remove what holds the breaker of a provider: it follows its own counts again."""
        provider = _checked(name)
        await _require_breaker(container, provider)
        async with container.bus.unit.once() as tx:
            await record(tx, request, "provider.release_breaker", "provider", None, provider=provider)
        found = await _ask(container, "DELETE", f"{ROOT}/{quote(provider, safe='')}/breaker")
        return json_response({"provider": provider, "state": found["state"]})


async def _require_breaker(container: Container, provider: str) -> None:
    """Raises Problem 404 where render has no breaker for it, before anything is written down."""
    found = await _ask(container, "GET", f"{ROOT}?hours=1")
    if not any(row["provider"] == provider and row["breaker"] is not None for row in found["providers"]):
        raise not_found("provider with a breaker")


async def _ask(container: Container, method: str, path: str, body: object = None) -> dict[str, Any]:
    """Raises Problem 503."""
    try:
        return await container.peers.ask(method, "render", path, body)
    except PeerUnavailable as error:
        raise unavailable_problem(error) from error


def _view(row: dict[str, Any]) -> dict[str, Any]:
    return ProviderReport(**row).model_dump(mode="json")


def _checked(name: str) -> str:
    """A malformed name is an unknown name. Raises Problem 404."""
    if not name.isascii() or not name.isprintable() or len(name) > NAME_CHARS_MAX:
        raise not_found("provider with a breaker")
    return name

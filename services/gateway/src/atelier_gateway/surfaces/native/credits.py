"""What things cost and where the credits went, for whoever pays."""

from datetime import UTC, datetime, timedelta
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from atelier_gateway.container import Parts
from atelier_gateway.generations import input_rules as kinds
from atelier_gateway.peers.client import Unanswered, unavailable
from atelier_gateway.rate_limits.request_limits import Gate, gated
from atelier_gateway.surfaces.native import openapi as docs
from atelier_gateway.surfaces.native.create import asked
from atelier_gateway.surfaces.native.generations import LIST_DEFAULT, LIST_MAX, PREFIX, request_rule
from atelier_gateway.surfaces.native.quotes import quoted
from atelier_gateway.surfaces.native.requests import GenerationRequest
from atelier_gateway.web.json_bodies import answer, takes
from atelier_gateway.web.pagination import page_of

QUOTED_FOR = timedelta(minutes=15)
ENTRY_FIELDS = ("id", "at", "kind", "debit", "credit", "credits", "generation_id")

QUOTED = docs.answers(
    {200: ("What a create with this body would reserve.", docs.Quote)},
    *("invalid_request", "invalid_idempotency_key", "simulator_off", "request_too_large", "unpriced"),
)
BALANCE = docs.answers({200: ("The balance.", docs.CreditBalance)})
ENTRIES = docs.answers({200: ("Newest first.", docs.CreditEntryPage)}, "invalid_request")


def router(parts: Parts) -> APIRouter:
    """Quotes, the balance, the statement."""
    routes = APIRouter(prefix=PREFIX, tags=["Credits"])
    takes_create = takes(GenerationRequest) | {"parameters": [docs.WORKSPACE]}
    per_owner = request_rule(parts.settings.native_requests_per_minute)

    @routes.post("/quotes", responses=QUOTED, openapi_extra=takes_create)
    async def create_quote(request: Request) -> Response:
        """Create a quote: the price of a generation with this body. Nothing is held."""
        return await gated(parts.limits, lambda gate: priced(request, gate))

    async def priced(request: Request, gate: Gate) -> Response:
        principal = await parts.identity.anyone(request.headers)
        await gate.take(per_owner, f"{principal.owner.kind}:{principal.owner.id}")
        create = await quoted(parts, principal, await asked(parts, request, principal))
        price = kinds.priced(create.work)
        until = datetime.now(UTC) + QUOTED_FOR
        return answer({"credits": price.credits, "price_book": price.book, "expires_at": until.isoformat()})

    @routes.get("/credits", responses=BALANCE, openapi_extra={"parameters": [docs.WORKSPACE]})
    async def get_credit_balance(request: Request) -> Response:
        """Get the balance of your credits."""
        principal = await parts.identity.anyone(request.headers)
        try:
            return answer(await parts.internal.account(principal.owner))
        except Unanswered as silent:
            raise unavailable(silent) from silent

    paged = {"parameters": [docs.LIMIT, docs.CURSOR, docs.WORKSPACE]}

    @routes.get("/credits/entries", responses=ENTRIES, openapi_extra=paged)
    async def list_credit_entries(request: Request) -> Response:
        """List the entries of your account: every posting, newest first."""
        principal = await parts.identity.anyone(request.headers)
        limit, before = page_of(request.query_params, default=LIST_DEFAULT, most=LIST_MAX)
        try:
            found = await parts.internal.entries(principal.owner, before=before, limit=limit + 1)
        except Unanswered as silent:
            raise unavailable(silent) from silent
        return answer(_page(found, limit))

    return routes


def _page(found: list[dict[str, Any]], limit: int) -> dict[str, Any]:
    page = [{name: entry[name] for name in ENTRY_FIELDS} for entry in found[:limit]]
    return {"data": page, "next_cursor": page[-1]["id"] if len(found) > limit else None}

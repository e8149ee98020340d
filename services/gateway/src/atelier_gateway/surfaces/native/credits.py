"""Quotes, the balance, and the statement of an account."""

from operator import itemgetter
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from atelier_gateway.container import Container
from atelier_gateway.generations import input_rules
from atelier_gateway.peers.client import PeerUnavailable, unavailable_problem
from atelier_gateway.peers.quotes import sign_quote
from atelier_gateway.rate_limits.request_limits import RequestLimits, with_rate_limits
from atelier_gateway.surfaces.native import openapi
from atelier_gateway.surfaces.native.create import parse_create
from atelier_gateway.surfaces.native.generations import LIST_DEFAULT, LIST_MAX, PREFIX
from atelier_gateway.surfaces.native.quotes import fit_quote_size
from atelier_gateway.surfaces.native.request_rules import request_rules
from atelier_gateway.surfaces.native.requests import GenerationRequest
from atelier_gateway.web.json_bodies import body_schema, json_response
from atelier_gateway.web.openapi_responses import CURSOR, LIMIT, OF_CLIENT_TOKENS, WORKSPACE, CreditBalance, answers
from atelier_gateway.web.pagination import parse_page, split_page

ENTRY_FIELDS = ("id", "at", "kind", "debit", "credit", "credits", "generation_id")

QUOTED = answers(
    {200: ("What a create with this body would reserve.", openapi.Quote)},
    *(
        "invalid_request",
        "invalid_idempotency_key",
        "simulator_off",
        "request_too_large",
        "unpriced",
        *OF_CLIENT_TOKENS,
    ),
)
BALANCE = answers({200: ("The balance.", CreditBalance)})
ENTRIES = answers({200: ("Newest first.", openapi.CreditEntryPage)}, "invalid_request")


def router(container: Container) -> APIRouter:
    """The routes of quotes, the balance and the statement."""
    routes = APIRouter(prefix=PREFIX, tags=["Credits"])
    takes_create = body_schema(GenerationRequest) | {"parameters": [WORKSPACE]}
    rules = request_rules(container.settings)

    @routes.post("/quotes", responses=QUOTED, openapi_extra=takes_create)
    async def create_quote(request: Request) -> Response:
        """Create a quote: the price of a generation with this body, signed. Nothing is held.

        A create with the same body that names `quote` costs no more, until `expires_at`. Without a `quote`, which is so
        while billing does not answer, the price may change.
        """
        return await with_rate_limits(container.rate_limiter, lambda gate: quote_limited(request, gate))

    async def quote_limited(request: Request, gate: RequestLimits) -> Response:
        principal = await container.authenticator.authenticate_client(request, "create")
        await rules.take(gate, principal)
        create = await fit_quote_size(container, principal, await parse_create(container, request, principal))
        price = input_rules.price_or_refuse(create.work)
        try:
            quote = await sign_quote(container.peers, principal.owner, create.work)
        except PeerUnavailable:
            quote = {"quote": None, "credits": price.credits, "price_book": price.book, "expires_at": None}
        return json_response({"test": principal.owner.is_test} | quote)

    @routes.get("/credits", responses=BALANCE, openapi_extra={"parameters": [WORKSPACE]})
    async def get_credit_balance(request: Request) -> Response:
        """Get the balance of your credits."""
        principal = await container.authenticator.authenticate(request.headers)
        try:
            return json_response({"test": principal.owner.is_test} | await container.peers.get_account(principal.owner))
        except PeerUnavailable as error:
            raise unavailable_problem(error) from error

    paged = {"parameters": [LIMIT, CURSOR, WORKSPACE]}

    @routes.get("/credits/entries", responses=ENTRIES, openapi_extra=paged)
    async def list_credit_entries(request: Request) -> Response:
        """List the entries of your account: every posting, newest first."""
        principal = await container.authenticator.authenticate(request.headers)
        limit, before = parse_page(request.query_params, default=LIST_DEFAULT, most=LIST_MAX)
        try:
            found = await container.peers.get_entries(principal.owner, before=before, limit=limit + 1)
        except PeerUnavailable as error:
            raise unavailable_problem(error) from error
        return json_response({"test": principal.owner.is_test} | _page(found, limit))

    return routes


def _page(found: list[dict[str, Any]], limit: int) -> dict[str, Any]:
    page, cursor = split_page(found, limit, itemgetter("id"))
    return {"data": [{name: entry[name] for name in ENTRY_FIELDS} for entry in page], "next_cursor": cursor}

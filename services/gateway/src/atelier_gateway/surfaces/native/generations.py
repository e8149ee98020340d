"""Routes that create, read and list generations."""

import json
import re
from collections.abc import Awaitable, Callable, Collection, Mapping
from functools import partial
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from atelier_gateway.container import Container
from atelier_gateway.generations import input_rules
from atelier_gateway.generations.client_disconnects import WaitingClient
from atelier_gateway.generations.delivery import ON_DELIVERY
from atelier_gateway.generations.model_notices import notice_headers
from atelier_gateway.generations.surface_responses import SurfaceResponses
from atelier_gateway.idempotency.keys import IDEMPOTENCY_KEY_HEADER
from atelier_gateway.identity.authenticator import Principal
from atelier_gateway.identity.client_tokens import ClientScope
from atelier_gateway.middleware.body_limits import FREE_BYTES
from atelier_gateway.peers.client import PeerUnavailable
from atelier_gateway.projection import listing
from atelier_gateway.projection import store as projection_store
from atelier_gateway.projection.snapshot import DELIVERING
from atelier_gateway.projection.store import Generation
from atelier_gateway.rate_limits.request_limits import RequestLimits, with_rate_limits
from atelier_gateway.surfaces.native import openapi
from atelier_gateway.surfaces.native.create import ParsedCreate, build_draft, parse_create
from atelier_gateway.surfaces.native.inline_inputs import create_with_inline_inputs
from atelier_gateway.surfaces.native.request_rules import RequestRules, request_rules
from atelier_gateway.surfaces.native.requests import GenerationRequest
from atelier_gateway.surfaces.native.responses import NO_QUEUE_POSITION, STATUSES, generation_view, render_accepted
from atelier_gateway.web.direct_routes import DirectRoute
from atelier_gateway.web.json_bodies import body_schema, id_from_path, json_response
from atelier_gateway.web.openapi_responses import (
    CURSOR,
    KEY,
    LIMIT,
    OF_CLIENT_TOKENS,
    WORKSPACE,
    answers,
    header,
    query,
)
from atelier_gateway.web.pagination import parse_page, split_page
from atelier_gateway.web.problems import field_problem, not_found, problem_json

PREFIX = "/v1"
CREATE = f"POST {PREFIX}/generations"
LIST_MAX = 100
LIST_DEFAULT = 20
WAIT_S_MAX = 30
"""Longer waits are shortened to this (settled question 8)."""
_WAIT = re.compile(r"(?:^|,)\s*wait\s*=\s*\"?([0-9]{1,6})\"?\s*(?:$|[,;])", re.IGNORECASE)

CREATED = answers(
    {
        201: ("It is created; its price is held.", openapi.Generation),
        200: ("It ended within `Prefer: wait`.", openapi.Generation),
    },
    *("invalid_request", "invalid_idempotency_key", "simulator_off", "insufficient_credits", "cap_exceeded"),
    *(
        "request_in_progress",
        "request_too_large",
        "idempotency_key_reused",
        "unpriced",
        "outcome_unknown",
    ),
    *(
        "quote_refused",
        "tenant_queue_full",
        "queue_full",
        "provider_unavailable",
        "token_cap_reached",
        "spend_limit_exceeded",
    ),
    *OF_CLIENT_TOKENS,
)
PREFER = header("Prefer", {"type": "string", "examples": ["wait=10"]}, "`wait=N`: seconds, 30 at most.")
SHOWN = answers({200: ("The generation as it is now.", openapi.Generation)}, "not_found", *OF_CLIENT_TOKENS)
LISTED = answers({200: ("Newest first.", openapi.GenerationPage)}, "invalid_request", *OF_CLIENT_TOKENS)
FILTERS = [
    query("status", {"type": "string", "enum": list(STATUSES)}, "Only generations with this status."),
    query("kind", {"type": "string", "enum": list(input_rules.INPUT_RULES)}, "Only generations of this kind."),
    *(LIMIT, CURSOR, WORKSPACE),
]


def router(container: Container) -> APIRouter:
    """Routes that create, read and list generations."""
    routes = APIRouter(prefix=PREFIX, tags=["Generations"])
    public_url = container.settings.public_root
    create, get = (route.answer for route in direct_routes(container))
    takes_create = body_schema(GenerationRequest) | {"parameters": [KEY, PREFER, WORKSPACE]}

    @routes.post("/generations", status_code=201, responses=CREATED, openapi_extra=takes_create)
    async def create_generation(request: Request) -> Response:
        """Create a generation. Its price is held until it has ended; only what is delivered is charged."""
        return await create(request)

    @routes.get("/generations", responses=LISTED, openapi_extra={"parameters": FILTERS})
    async def list_generations(request: Request) -> Response:
        """List your generations, newest first."""
        principal = await container.authenticator.authenticate_client(request, "read")
        return json_response(await _page(container, request.query_params, principal, public_url))

    @routes.get("/generations/{id}", responses=SHOWN)
    async def get_generation(request: Request, id: str) -> Response:
        """Get a generation, with its outputs once there are some."""
        return await get(request, id)

    return routes


def direct_routes(container: Container) -> list[DirectRoute]:
    """Create and read: what clients call most."""
    public_url = container.settings.public_root
    rules = request_rules(container.settings)
    shape = SurfaceResponses("native", CREATE, lambda generation: render_accepted(generation, public_url), problem_json)

    async def create(request: Request) -> Response:
        return await with_rate_limits(
            container.rate_limiter, lambda gate: _create(container, request, gate, rules, shape)
        )

    async def get(request: Request, id_: str) -> Response:
        generation = await load_owned(container, request, id_, "read")
        return json_response(
            generation_view(generation, container.objects, public_url, await _queue_position(container, generation))
        )

    return [
        DirectRoute("POST", f"{PREFIX}/generations", create),
        DirectRoute("GET", f"{PREFIX}/generations/{{id}}", get),
    ]


async def _create(
    container: Container, request: Request, gate: RequestLimits, rules: RequestRules, shape: SurfaceResponses
) -> Response:
    """The response to a POST. Raises Problem."""
    principal = await container.authenticator.authenticate_client(request, "create")
    await rules.take(gate, principal)
    if (
        _has_large_body(request) and IDEMPOTENCY_KEY_HEADER not in request.headers
    ):  # what a key stands for is answered in any case
        await container.balance_check.require(principal.owner, None, shows_balance=principal.client is None)
    create = await parse_create(container, request, principal)

    async def admit(body: GenerationRequest) -> Response:
        return await container.creator.create(principal, await build_draft(container, principal, create, body), shape)

    async def make_once() -> Response:
        if any(given.data is not None and given.role != "text" for given in create.body.inputs):
            await container.balance_check.require(principal.owner, None, shows_balance=principal.client is None)
        return await create_with_inline_inputs(container, principal, create.body, create.text, admit)

    run = partial(container.creator.replay_or_run, principal, shape, create.key, create.fingerprint, make_once)
    reply = await _create_and_wait(container, request, principal, create, run)
    reply.headers.update(notice_headers(create.body.model))
    if reply.status_code == 201:
        reply.headers["Location"] = json.loads(bytes(reply.body))["links"]["self"]
    return reply


def _has_large_body(request: Request) -> bool:
    """Whether the body is so large that it carries images; it is read only for owners with credits."""
    length = request.headers.get("Content-Length", "")
    return length.isascii() and length.isdigit() and (len(length) > 9 or int(length) > FREE_BYTES)


async def load_owned(container: Container, request: Request, id_: str, *scopes: ClientScope) -> Generation:
    """The generation of a path, if it is the caller's; with ``scopes`` a client token that has all of them will do.
    Raises Problem 404, equally for another owner's."""
    authenticator = container.authenticator
    principal = await (
        authenticator.authenticate_client(request, *scopes) if scopes else authenticator.authenticate(request.headers)
    )
    return await find_visible(container, principal, id_)


async def find_visible(container: Container, principal: Principal, id_: str) -> Generation:
    """The generation of a path, if the caller may read it. Raises Problem 404, equally for another owner's."""
    generation = await container.reader.find_for_owner(id_from_path(id_, "generation"), principal.owner)
    if generation is None or not principal.sees(generation.request):
        raise not_found("generation")
    return generation


def parse_wait_s(prefer: str | None) -> int:
    """The seconds of ``Prefer: wait=N`` (RFC 7240); 0 where it is absent or malformed, since a preference may be
    ignored."""
    found = _WAIT.search(prefer or "")
    return min(int(found[1]), WAIT_S_MAX) if found else 0


async def _create_and_wait(
    container: Container,
    request: Request,
    principal: Principal,
    parsed: ParsedCreate,
    create: Callable[[], Awaitable[Response]],
) -> Response:
    """Creates the generation and waits for its end where the client waits, or until its outputs can be taken. Raises
    Problem, ClientDisconnect."""
    seconds = parse_wait_s(request.headers.get("Prefer"))
    if not seconds:
        return await create()
    async with container.disconnects.watch(request, key=parsed.key) as caller:
        caller.is_charged_on_delivery = parsed.body.charge == ON_DELIVERY
        created = await create()
        if created.status_code != 201:
            return created
        return container.disconnects.monitor_response(
            caller, await _wait_for_result(container, principal, created, seconds, caller)
        )


async def _wait_for_result(
    container: Container, principal: Principal, created: Response, seconds: int, caller: WaitingClient
) -> Response:
    """The generation as it ended, if it ends in time; else the response of the create."""
    id_ = caller.generation_id = UUID(
        json.loads(bytes(created.body))["id"]
    )  # from the reply, for it may be an earlier one said again
    created.headers["Preference-Applied"] = f"wait={seconds}"
    if await container.waiter.wait_until_ended(id_, seconds, caller, rank=DELIVERING) is None:
        return created
    generation = await projection_store.find_for_owner(container.pool, id_, principal.owner)
    if generation is None:
        return created
    done = json_response(generation_view(generation, container.objects, container.settings.public_root))
    done.headers.update({name: created.headers[name] for name in KEPT_HEADERS if name in created.headers})
    return done


KEPT_HEADERS = ("Preference-Applied", "Idempotency-Replayed")


async def _page(
    container: Container, query: Mapping[str, str], principal: Principal, public_url: str
) -> dict[str, Any]:
    limit, before = parse_page(query, default=LIST_DEFAULT, most=LIST_MAX)
    status, kind = _one_of(query, "status", STATUSES), _one_of(query, "kind", input_rules.INPUT_RULES)
    found = await listing.list_newest(
        container.pool,
        principal.owner,
        limit=limit + 1,
        before=before,
        kind=kind,
        states=STATUSES[status] if status else None,
        audience=principal.audience,
    )
    page, cursor = split_page(found, limit)
    return {
        "data": [generation_view(generation, container.objects, public_url) for generation in page],
        "next_cursor": cursor,
    }


def _one_of(query: Mapping[str, str], name: str, words: Collection[str]) -> str | None:
    given = query.get(name)
    if given is not None and given not in words:
        raise field_problem(name, f"one of {', '.join(words)} is required")
    return given


async def _queue_position(container: Container, generation: Generation) -> Mapping[str, Any]:
    """The position in render's queue; none unless it is queued or rendering, or while render is unavailable."""
    if generation.snapshot.state not in ("queued", "rendering"):
        return NO_QUEUE_POSITION
    try:
        place = await container.peers.get_queue_position(generation.id)
    except PeerUnavailable:
        return NO_QUEUE_POSITION
    return {"queue_position": place["position"], "eta_s": place["eta_s"], "eta_p90_s": place["eta_p90_s"]}

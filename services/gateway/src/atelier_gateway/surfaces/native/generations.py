"""Making, looking at and listing generations."""

import json
import re
from collections.abc import Awaitable, Callable, Collection, Mapping
from functools import partial
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from atelier_gateway.container import Parts
from atelier_gateway.generations import input_rules as kinds
from atelier_gateway.generations.client_disconnects import Caller
from atelier_gateway.generations.creation import Shape
from atelier_gateway.generations.model_notices import notice_headers
from atelier_gateway.idempotency.keys import HEADER
from atelier_gateway.identity.authenticator import Principal
from atelier_gateway.middleware.body_limits import FREE_BYTES
from atelier_gateway.peers.client import Unanswered
from atelier_gateway.projection import listing
from atelier_gateway.projection import store as generations
from atelier_gateway.projection.store import Generation
from atelier_gateway.rate_limits.limiter import Rule
from atelier_gateway.rate_limits.request_limits import Gate, gated
from atelier_gateway.surfaces.native import openapi as docs
from atelier_gateway.surfaces.native.create import asked, draft
from atelier_gateway.surfaces.native.inline_inputs import created_with
from atelier_gateway.surfaces.native.requests import GenerationRequest
from atelier_gateway.surfaces.native.responses import NOWHERE, STATUSES, accepted, view
from atelier_gateway.web.json_bodies import answer, id_from_path, takes
from atelier_gateway.web.pagination import page_of
from atelier_gateway.web.problems import Problem, not_found, problem_json

PREFIX = "/v1"
CREATE = f"POST {PREFIX}/generations"
LIST_MAX = 100
LIST_DEFAULT = 20
WAIT_S_MAX = 30
"""Longer waits are cut to this (settled question 8)."""
_WAIT = re.compile(r"(?:^|,)\s*wait\s*=\s*\"?([0-9]{1,6})\"?\s*(?:$|[,;])", re.IGNORECASE)

CREATED = docs.answers(
    {201: ("It is admitted.", docs.Generation), 200: ("It ended within `Prefer: wait`.", docs.Generation)},
    *("invalid_request", "invalid_idempotency_key", "simulator_off", "insufficient_credits"),
    *("request_in_progress", "request_too_large", "idempotency_key_reused", "unpriced", "outcome_unknown"),
    *("tenant_queue_full", "queue_full", "provider_unavailable"),
)
PREFER = docs.header("Prefer", {"type": "string", "examples": ["wait=10"]}, "`wait=N`: seconds, 30 at most.")
SHOWN = docs.answers({200: ("The generation as it is now.", docs.Generation)}, "not_found")
LISTED = docs.answers({200: ("Newest first.", docs.GenerationPage)}, "invalid_request")
FILTERS = [
    docs.query("status", {"type": "string", "enum": list(STATUSES)}, "Only those."),
    docs.query("kind", {"type": "string", "enum": list(kinds.NEEDS)}, "Only those."),
    *(docs.LIMIT, docs.CURSOR, docs.WORKSPACE),
]


def router(parts: Parts) -> APIRouter:
    """Making, looking at and listing generations."""
    routes = APIRouter(prefix=PREFIX, tags=["Generations"])
    public_url = str(parts.settings.public_url).rstrip("/")
    shape = Shape("native", CREATE, lambda generation: accepted(generation, public_url), problem_json)
    takes_create = takes(GenerationRequest) | {"parameters": [docs.KEY, PREFER, docs.WORKSPACE]}
    per_owner = request_rule(parts.settings.native_requests_per_minute)

    @routes.post("/generations", status_code=201, responses=CREATED, openapi_extra=takes_create)
    async def create_generation(request: Request) -> Response:
        """Create a generation. Its price is held until it has ended; only what is delivered is charged."""
        return await gated(parts.limits, lambda gate: make(request, gate))

    async def make(request: Request, gate: Gate) -> Response:
        principal = await parts.identity.anyone(request.headers)
        await gate.take(per_owner, f"{principal.owner.kind}:{principal.owner.id}")
        if _brings_much(request) and HEADER not in request.headers:  # what a key stands for is answered in any case
            await parts.funds.require(principal.owner, None)
        create = await asked(parts, request, principal)

        async def admit(body: GenerationRequest) -> Response:
            return await parts.creating.create(principal, await draft(parts, principal, create, body), shape)

        async def make_once() -> Response:
            if any(given.data is not None and given.role != "text" for given in create.body.inputs):
                await parts.funds.require(principal.owner, None)
            return await created_with(parts, principal, create.body, create.text, admit)

        run = partial(parts.creating.once, principal, shape, create.key, create.fingerprint, make_once)
        reply = await _created(parts, request, principal, create.key, run)
        reply.headers.update(notice_headers(create.body.model))
        if reply.status_code == 201:
            reply.headers["Location"] = json.loads(bytes(reply.body))["links"]["self"]
        return reply

    @routes.get("/generations", responses=LISTED, openapi_extra={"parameters": FILTERS})
    async def list_generations(request: Request) -> Response:
        """List your generations, newest first."""
        principal = await parts.identity.anyone(request.headers)
        return answer(await _page(parts, request.query_params, principal, public_url))

    @routes.get("/generations/{id}", responses=SHOWN)
    async def get_generation(request: Request, id: str) -> Response:
        """Get a generation, with its outputs once there are some."""
        generation = await owned(parts, request, id)
        return answer(view(generation, parts.objects, public_url, await _place(parts, generation)))

    return routes


def _brings_much(request: Request) -> bool:
    """Whether its body is too large to be anything but one with pictures; without credits it is not even read."""
    length = request.headers.get("Content-Length", "")
    return length.isascii() and length.isdigit() and (len(length) > 9 or int(length) > FREE_BYTES)


def request_rule(per_minute: int) -> Rule:
    """How often one owner may create and ask for quotes."""
    return Rule("native-owner", per_minute, 60)


async def owned(parts: Parts, request: Request, id_: str) -> Generation:
    """The generation of a path, if it is the caller's. Raises Problem 404, the same for a foreign one."""
    principal = await parts.identity.anyone(request.headers)
    generation = await generations.of_owner(parts.pool, id_from_path(id_, "generation"), principal.owner)
    if generation is None:
        raise not_found("generation")
    return generation


def wait_s(prefer: str | None) -> int:
    """The seconds of ``Prefer: wait=N`` (RFC 7240); 0 where it is absent or cannot be read, as a preference may be."""
    found = _WAIT.search(prefer or "")
    return min(int(found[1]), WAIT_S_MAX) if found else 0


async def _created(
    parts: Parts, request: Request, principal: Principal, key: str | None, make: Callable[[], Awaitable[Response]]
) -> Response:
    """What the create answers, waited for where the client waits. Raises Problem, ClientDisconnect."""
    seconds = wait_s(request.headers.get("Prefer"))
    if not seconds:
        return await make()
    async with parts.callers.waiting(request, key=key) as caller:
        created = await make()
        if created.status_code != 201:
            return created
        return parts.callers.answer(caller, await _waited(parts, principal, created, seconds, caller))


async def _waited(parts: Parts, principal: Principal, created: Response, seconds: int, caller: Caller) -> Response:
    """The generation as it ended, if it does so in time; else what was created."""
    id_ = caller.generation_id = UUID(
        json.loads(bytes(created.body))["id"]
    )  # from the reply, for it may be an earlier one said again
    created.headers["Preference-Applied"] = f"wait={seconds}"
    if await parts.waiting.ended(id_, seconds, caller) is None:
        return created
    generation = await generations.of_owner(parts.pool, id_, principal.owner)
    if generation is None:
        return created
    done = answer(view(generation, parts.objects, str(parts.settings.public_url).rstrip("/")))
    done.headers.update({name: created.headers[name] for name in KEPT_HEADERS if name in created.headers})
    return done


KEPT_HEADERS = ("Preference-Applied", "Idempotency-Replayed")


async def _page(parts: Parts, query: Mapping[str, str], principal: Principal, public_url: str) -> dict[str, Any]:
    limit, before = page_of(query, default=LIST_DEFAULT, most=LIST_MAX)
    status, kind = _one_of(query, "status", STATUSES), _one_of(query, "kind", kinds.NEEDS)
    found = await listing.newest(
        parts.pool,
        principal.owner,
        limit=limit + 1,
        before=before,
        kind=kind,
        states=STATUSES[status] if status else None,
    )
    page = found[:limit]
    return {
        "data": [view(generation, parts.objects, public_url) for generation in page],
        "next_cursor": str(page[-1].id) if len(found) > limit else None,
    }


def _one_of(query: Mapping[str, str], name: str, words: Collection[str]) -> str | None:
    given = query.get(name)
    if given is not None and given not in words:
        why = f"one of {', '.join(words)} is required"
        raise Problem("invalid_request", f"{name}: {why}.", details={"errors": [{"field": name, "message": why}]})
    return given


async def _place(parts: Parts, generation: Generation) -> Mapping[str, Any]:
    """Where it stands in render's queue; nowhere unless it waits or is at work, or where render does not say."""
    if generation.snapshot.state not in ("queued", "rendering"):
        return NOWHERE
    try:
        place = await parts.internal.place_in_queue(generation.id)
    except Unanswered:
        return NOWHERE
    return {"queue_position": place["position"], "eta_s": place["eta_s"], "eta_p90_s": place["eta_p90_s"]}

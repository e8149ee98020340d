"""Seed 003's order: who may ask, what is asked, how long the answer waits, how a refusal is worded."""

from typing import Any

from fastapi import Request
from starlette.responses import Response

from atelier_contracts.value_objects import Role
from atelier_gateway.container import Container
from atelier_gateway.generations import failure_problems
from atelier_gateway.generations.client_disconnects import WaitingClient
from atelier_gateway.generations.creation import Draft, SurfaceResponses
from atelier_gateway.generations.image_models import DEFAULT_MODELS, DEFAULT_PROVIDER, UnsupportedModelOption
from atelier_gateway.generations.model_notices import notice_headers
from atelier_gateway.generations.provider_catalogue import UnsupportedOption
from atelier_gateway.idempotency.keys import REPLAYED_HEADER
from atelier_gateway.identity.authenticator import WORKSPACE_HEADER, Principal
from atelier_gateway.identity.users import User
from atelier_gateway.media.input_references import RequestedInput
from atelier_gateway.peers.client import PeerUnavailable
from atelier_gateway.projection.store import NewGeneration
from atelier_gateway.rate_limits.limiter import RateLimitRule
from atelier_gateway.rate_limits.request_limits import RequestLimits
from atelier_gateway.surfaces import image_requests as image_orders
from atelier_gateway.surfaces.image_requests import Order
from atelier_gateway.surfaces.images.requests import ImageGenerationRequest
from atelier_gateway.surfaces.images.responses import accepted, view
from atelier_gateway.web.client_ip import subject
from atelier_gateway.web.json_bodies import json_response, parse_body
from atelier_gateway.web.prefer import prefers_waiting
from atelier_gateway.web.problems import Problem

PREFIX = "/api/ai/images"
SURFACE = "images"
CREATE = f"POST {PREFIX}"
CODES = {
    "invalid_request": "VALIDATION_ERROR",
    "insufficient_credits": "INSUFFICIENT_CREDITS",
    "workspace_forbidden": "FORBIDDEN",
    "rate_limited": "RATE_LIMIT_EXCEEDED",
    "provider_failed": "PROVIDER_UNAVAILABLE",
    "deadline_passed": "PROVIDER_UNAVAILABLE",
    "unavailable": "SERVICE_UNAVAILABLE",
}
"""Seed 003's words, where they are not simply ours in capitals."""
PER_USER = RateLimitRule("images-user", 60, 60)
PER_WORKSPACE = RateLimitRule("images-workspace", 1_000, 3_600)
PER_IP = RateLimitRule("images-ip", 100, 60)
"""Seed 003, Rate Limiting: every POST counts, also one that is refused for another reason."""


async def create(container: Container, request: Request, gate: RequestLimits) -> Response:
    """The answer to a POST. Raises Problem."""
    await gate.take(PER_IP, subject(container.client_ip(request.scope)))
    user = await container.authenticator.authenticate_user(request.headers)
    await gate.take(PER_USER, str(user.id))
    body = await parse_body(request, ImageGenerationRequest)
    principal = await container.authenticator.authorize_member(user, workspace_of(request, body.workspaceId))
    await gate.take(PER_WORKSPACE, str(principal.owner.id))
    order = await order_of(container, principal, user, body)
    draft = image_orders.draft(container, request, order, deadline_s=container.settings.generation_deadline_s)
    response = await _created(container, request, principal, draft)
    response.headers.update(notice_headers(body.model))
    return response


async def _created(container: Container, request: Request, principal: Principal, draft: Draft) -> Response:
    """What the create answers, waited for where the client waits. Raises Problem, ClientDisconnect."""
    if not prefers_waiting(request.headers):
        return await container.creator.create(principal, draft, SHAPE)
    async with container.disconnects.watch(request, key=draft.key) as caller:
        response = await container.creator.create(principal, draft, SHAPE)
        if response.status_code != 202:
            return response
        return container.disconnects.monitor_response(caller, await _waited(container, principal, response, caller))


async def _waited(container: Container, principal: Principal, accepted: Response, caller: WaitingClient) -> Response:
    """200 with the pictures, a refusal for what failed meanwhile, or the 202 when it takes longer than we wait."""
    generation = await image_orders.outcome(
        container, principal.owner, accepted, container.settings.sync_wait_s, caller
    )
    if generation is None:
        return accepted
    if generation.snapshot.state != "succeeded":
        record = {"id": str(generation.id), "status_url": f"{PREFIX}/{generation.id}"}
        raise failure_problems.problem_of(generation, failure_problems.FieldNames("prompt", "image"), **record)
    response = json_response(
        enveloped(view(generation, container.objects, await remaining(container, principal), PREFIX))
    )
    if replayed := accepted.headers.get(REPLAYED_HEADER):
        response.headers[REPLAYED_HEADER] = replayed
    return response


async def order_of(container: Container, principal: Principal, user: User, body: ImageGenerationRequest) -> Order:
    """The request, understood. Raises Problem 400."""
    choice = image_orders.chosen(
        container,
        provider=body.provider,
        model=body.model,
        size=body.size,
        quality=body.quality,
        style=body.style,
        usual=DEFAULT_MODELS.get(body.provider or DEFAULT_PROVIDER),
    )
    if isinstance(choice, UnsupportedModelOption):
        raise _invalid(choice.field, choice.message, "invalid_size" if choice.field == "size" else "invalid_request")
    if body.mask and not body.image:
        raise _invalid("image", "a mask needs the image it belongs to")
    if body.prompt is None and not body.image:
        raise _invalid("prompt", "it is required, unless an image is to be varied")
    if body.mask and body.prompt is None:
        raise _invalid("prompt", "a masked edit needs one")
    roles: tuple[tuple[Role, str | None], ...] = (("image", body.image), ("mask", body.mask))
    given = [RequestedInput(role, role, text) for role, text in roles if text]
    return Order(
        choice,
        body.prompt,
        body.n,
        asked=body.model_dump(mode="json", exclude_none=True)
        | {"userId": str(user.id)}
        | container.receiver_policy.request_fields(body.webhookUrl, "webhookUrl"),
        same=(body.model_dump_json(exclude={"workspaceId"}),),
        inputs=await container.input_resolver.resolve(principal.owner, given),
        model=body.model,
        reuse=body.reuse,
    )


async def member(container: Container, request: Request) -> Principal:
    """Who reads, for which workspace. Raises Problem 400, 401, 403."""
    user = await container.authenticator.authenticate_user(request.headers)
    return await container.authenticator.authorize_member(
        user, workspace_of(request, request.query_params.get("workspaceId"))
    )


def workspace_of(request: Request, named: str | None) -> str:
    """From the header, or from the body or query. Raises Problem 400."""
    header = request.headers.get(WORKSPACE_HEADER)
    if header and named and header.lower() != named.lower():
        raise _invalid("workspaceId", f"it contradicts {WORKSPACE_HEADER}")
    workspace = header or named
    if not workspace:
        raise _invalid("workspaceId", f"it is required, here or in {WORKSPACE_HEADER}", "workspace_required")
    return workspace


async def remaining(container: Container, principal: Principal) -> int | None:
    """What the workspace can still spend; None while billing does not answer: the pictures are there all the same."""
    try:
        return int((await container.peers.get_account(principal.owner))["available"])
    except PeerUnavailable:
        return None


def problem(refusal: Problem) -> Response:
    """``{"success": false, "error": {"code", "message", "details"?}}``."""
    code = CODES.get(refusal.code, refusal.code.upper())
    error: dict[str, Any] = {"code": code, "message": refusal.detail}
    if refusal.details:
        error["details"] = refusal.details
    response = json_response({"success": False, "error": error}, refusal.status)
    response.headers.update(refusal.headers)
    return response


def enveloped(data: object) -> dict[str, object]:
    """What every reply with data looks like."""
    return {"success": True, "data": data}


def _invalid(field: str, why: str, code: str = "invalid_request") -> Problem:
    return Problem(code, f"{field}: {why}.", details={"errors": [{"field": field, "message": why}]})


def _accepted(generation: NewGeneration) -> Response:
    return accepted(generation, PREFIX)


def _unsuitable(found: UnsupportedOption) -> Problem:
    field = "image" if found.field == "mode" else found.field
    return _invalid(field, found.message, "invalid_size" if field == "size" else "invalid_request")


SHAPE = SurfaceResponses(SURFACE, CREATE, _accepted, problem, _unsuitable)

"""Creates image generations (seed 003): rate limits, the parsed request, the wait for the result."""

from fastapi import Request
from starlette.responses import Response

from atelier_contracts.value_objects import Role
from atelier_gateway.container import Container
from atelier_gateway.generations import failure_problems
from atelier_gateway.generations.client_disconnects import WaitingClient
from atelier_gateway.generations.creation import Draft
from atelier_gateway.generations.image_models import DEFAULT_MODELS, DEFAULT_PROVIDER, UnsupportedModelOption
from atelier_gateway.generations.model_notices import notice_headers
from atelier_gateway.idempotency.keys import REPLAYED_HEADER
from atelier_gateway.identity.authenticator import Principal
from atelier_gateway.identity.users import User
from atelier_gateway.media.input_references import RequestedInput
from atelier_gateway.peers.client import PeerUnavailable
from atelier_gateway.rate_limits.limiter import RateLimitRule
from atelier_gateway.rate_limits.request_limits import RequestLimits
from atelier_gateway.surfaces import image_requests
from atelier_gateway.surfaces.image_requests import ImageRequest
from atelier_gateway.surfaces.images.authentication import workspace_of
from atelier_gateway.surfaces.images.requests import ImageGenerationRequest
from atelier_gateway.surfaces.images.responses import PREFIX, RESPONSES, envelope, generation_view
from atelier_gateway.web.client_ip import subject
from atelier_gateway.web.json_bodies import json_response, parse_body
from atelier_gateway.web.prefer import prefers_waiting
from atelier_gateway.web.problems import field_problem

PER_USER = RateLimitRule("images-user", 60, 60)
PER_WORKSPACE = RateLimitRule("images-workspace", 1_000, 3_600)
PER_IP = RateLimitRule("images-ip", 100, 60)
"""Seed 003, Rate Limiting: every POST counts, also one that is refused for another reason."""


async def create(container: Container, request: Request, gate: RequestLimits) -> Response:
    """The response to a POST. Raises Problem."""
    await gate.take(PER_IP, subject(container.client_ip(request.scope)))
    user = await container.authenticator.authenticate_user(request.headers)
    await gate.take(PER_USER, str(user.id))
    body = await parse_body(request, ImageGenerationRequest)
    principal = await container.authenticator.authorize_member(user, workspace_of(request, body.workspaceId))
    await gate.take(PER_WORKSPACE, str(principal.owner.id))
    order = await parse_image_request(container, principal, user, body)
    draft = image_requests.build_draft(
        container, request, order, owner=principal.owner, deadline_s=container.settings.generation_deadline_s
    )
    response = await _create_and_wait(container, request, principal, draft)
    response.headers.update(notice_headers(body.model))
    return response


async def _create_and_wait(container: Container, request: Request, principal: Principal, draft: Draft) -> Response:
    """Creates the generation and waits for its end where the client waits. Raises Problem, ClientDisconnect."""
    if not prefers_waiting(request.headers):
        return await container.creator.create(principal, draft, RESPONSES)
    async with container.disconnects.watch(request, key=draft.key) as caller:
        response = await container.creator.create(principal, draft, RESPONSES)
        if response.status_code != 202:
            return response
        return container.disconnects.monitor_response(
            caller, await _wait_for_result(container, principal, response, caller)
        )


async def _wait_for_result(
    container: Container, principal: Principal, accepted: Response, caller: WaitingClient
) -> Response:
    """200 with the images, a problem if it has failed, or the 202 if it takes longer than the wait."""
    generation = await image_requests.wait_for_outcome(
        container, principal.owner, accepted, container.settings.sync_wait_s, caller
    )
    if generation is None:
        return accepted
    if generation.snapshot.state != "succeeded":
        record = {"id": str(generation.id), "status_url": f"{PREFIX}/{generation.id}"}
        raise failure_problems.problem_of(generation, failure_problems.FieldNames("prompt", "image"), **record)
    response = json_response(
        envelope(generation_view(generation, container.objects, await available_credits(container, principal)))
    )
    if replayed := accepted.headers.get(REPLAYED_HEADER):
        response.headers[REPLAYED_HEADER] = replayed
    return response


async def parse_image_request(
    container: Container, principal: Principal, user: User, body: ImageGenerationRequest
) -> ImageRequest:
    """The request, understood. Raises Problem 400."""
    choice = image_requests.choose_model(
        container,
        provider=body.provider,
        model=body.model,
        size=body.size,
        quality=body.quality,
        style=body.style,
        usual=DEFAULT_MODELS.get(body.provider or DEFAULT_PROVIDER),
    )
    if isinstance(choice, UnsupportedModelOption):
        raise field_problem(
            choice.field, choice.message, "invalid_size" if choice.field == "size" else "invalid_request"
        )
    if body.mask and not body.image:
        raise field_problem("image", "a mask needs the image it belongs to")
    if body.prompt is None and not body.image:
        raise field_problem("prompt", "it is required, unless an image is to be varied")
    if body.mask and body.prompt is None:
        raise field_problem("prompt", "a masked edit needs one")
    roles: tuple[tuple[Role, str | None], ...] = (("image", body.image), ("mask", body.mask))
    images = [RequestedInput(role, role, text) for role, text in roles if text]
    return ImageRequest(
        choice,
        body.prompt,
        body.n,
        asked=body.model_dump(mode="json", exclude_none=True)
        | {"userId": str(user.id)}
        | container.receiver_policy.request_fields(body.webhookUrl, "webhookUrl"),
        same=(body.model_dump_json(exclude={"workspaceId"}),),
        inputs=await container.input_resolver.resolve(principal.owner, images),
        model=body.model,
        reuse=body.reuse,
    )


async def available_credits(container: Container, principal: Principal) -> int | None:
    """The available credits of the workspace; None while billing is unavailable: the images are shown regardless."""
    try:
        return int((await container.peers.get_account(principal.owner))["available"])
    except PeerUnavailable:
        return None

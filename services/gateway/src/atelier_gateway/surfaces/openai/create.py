"""Creates images for OpenAI's clients: they know no 202, so the response waits until the images are there.

A generation that takes longer than ``MADE_S_MAX`` is stopped and refunded by its own deadline, like any that fails.
"""

import hashlib
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Literal, NamedTuple

from fastapi import Request
from starlette.responses import Response

from atelier_contracts import InputRef
from atelier_contracts.value_objects import IMAGES_MAX
from atelier_gateway.container import Container
from atelier_gateway.generations.client_disconnects import WaitingClient
from atelier_gateway.generations.image_models import (
    MODELS,
    ResolvedModel,
    UnsupportedModelOption,
    nearest_size,
)
from atelier_gateway.generations.rollback import rollback_unless_admitted
from atelier_gateway.generations.surface_responses import SurfaceResponses
from atelier_gateway.generations.undelivered_results import RequestIdentity
from atelier_gateway.idempotency.keys import REPLAYED_HEADER
from atelier_gateway.identity.authenticator import Principal
from atelier_gateway.media.input_references import input_ref_of
from atelier_gateway.media.intake import ImageRefused, StoredPicture
from atelier_gateway.projection.store import Generation
from atelier_gateway.rate_limits.limiter import RateLimitRule
from atelier_gateway.rate_limits.request_limits import RequestLimits
from atelier_gateway.surfaces import image_requests
from atelier_gateway.surfaces.image_requests import ImageRequest
from atelier_gateway.surfaces.openai import delivery, streaming
from atelier_gateway.surfaces.openai.errors import render_problem
from atelier_gateway.surfaces.openai.options import options_of
from atelier_gateway.surfaces.openai.requests import File, OpenAIImageVariationRequest
from atelier_gateway.surfaces.openai.responses import (
    SURFACE,
    Body,
    images_response,
    option_problem,
    output_format_of,
    render_accepted,
)
from atelier_gateway.web.problems import Problem, field_problem

PER_OWNER = RateLimitRule("openai-owner", 60, 60)
MADE_S_MAX = 120
PAID_BACK_S_MAX = 60.0
"""How long after its deadline a generation may take to be stopped and refunded."""
OPEN = (None, "auto")
"""Values that leave the choice to this service."""

Action = Literal["generations", "edits", "variations"]


class ParsedRequest(NamedTuple):
    """The body of a request, and its files."""

    body: Body
    files: Sequence[File] = ()


async def create(
    container: Container,
    request: Request,
    gate: RequestLimits,
    action: Action,
    read: Callable[[], Awaitable[ParsedRequest]],
) -> Response:
    """200 with the pictures. Raises Problem."""
    principal = await container.authenticator.authenticate(request.headers)
    await gate.take(PER_OWNER, f"{principal.owner.kind}:{principal.owner.id}")
    parsed = await read()
    choice = choose_model(container, parsed.body, parsed.body.size)
    options_of(parsed.body, choice)
    streamed = streaming.is_streamed(parsed.body)
    _check_files(action, parsed.files)
    key, fingerprint = image_requests.key_and_fingerprint(request, _fingerprint_parts(parsed))
    same = RequestIdentity(principal.owner, _route(action), fingerprint)
    async with container.disconnects.watch(request, key=key, same=same) as caller:
        undelivered = await delivery.find_undelivered(container, request, caller, streamed=streamed)
        if undelivered is not None:
            if streamed:
                return _stream(container, principal, caller, action, parsed.body, partial(_return, undelivered))
            return await deliver(
                container, caller, images_response(container, undelivered, parsed.body, choice, replayed=True)
            )
        accepted = await _replay_or_create(container, request, principal, action, parsed, choice)
        if accepted.status_code != 202:
            return accepted
        caller.generation_id = image_requests.generation_id_of(accepted)
        finish = partial(
            delivery.wait_for_outputs, container, principal, accepted, caller, MADE_S_MAX + PAID_BACK_S_MAX, key
        )
        if streamed:
            return _stream(container, principal, caller, action, parsed.body, finish)
        generation = await finish()
        pictures = images_response(
            container, generation, parsed.body, choice, replayed=REPLAYED_HEADER in accepted.headers
        )
        return await deliver(container, caller, pictures)


def _stream(
    container: Container,
    principal: Principal,
    caller: WaitingClient,
    action: Action,
    body: Body,
    finish: Callable[[], Awaitable[Generation]],
) -> Response:
    assert isinstance(body, streaming.Streamed), "variations are not streamed"
    name = "image_edit" if action == "edits" else "image_generation"
    return streaming.respond(streaming.ImageStream(container, caller, body, principal.owner, name), finish)


async def _return(generation: Generation) -> Generation:
    return generation


async def deliver(container: Container, caller: WaitingClient, pictures: Awaitable[Response]) -> Response:
    """The response with the images; if they cannot be read now they are kept for the client's retry, since they are
    charged. Raises Problem."""
    try:
        return container.disconnects.monitor_response(caller, await pictures)
    except Problem:
        await container.disconnects.cancel_abandoned(caller)
        raise


def _route(action: Action) -> str:
    return f"POST /v1/images/{action}"


async def _replay_or_create(
    container: Container,
    request: Request,
    principal: Principal,
    action: Action,
    parsed: ParsedRequest,
    choice: ResolvedModel,
) -> Response:
    """The 202 that names the generation, or its refusal."""
    shape = SurfaceResponses(SURFACE, _route(action), render_accepted, render_problem, option_problem)
    create = partial(_store_and_admit, container, request, principal, shape, parsed, choice)
    return await container.creator.replay_or_run(
        principal, shape, *image_requests.key_and_fingerprint(request, _fingerprint_parts(parsed)), create
    )


async def _store_and_admit(
    container: Container,
    request: Request,
    principal: Principal,
    shape: SurfaceResponses,
    parsed: ParsedRequest,
    choice: ResolvedModel,
) -> Response:
    """Stores the files and admits the generation; removes the files if it is not admitted."""
    if parsed.files:
        await container.balance_check.require(principal.owner, None)
    stored: list[StoredPicture] = []
    async with rollback_unless_admitted(partial(_discard, container, principal, stored)) as attempt:
        await _store_images(container, principal, parsed.files, stored)
        order = _image_request(parsed, _fit_size(container, parsed, choice, stored), stored)
        draft = image_requests.build_draft(
            container, request, order, owner=principal.owner, deadline_s=_deadline_s(container)
        )
        return attempt.resolve(await container.creator.create(principal, draft, shape))


def _fit_size(
    container: Container, parsed: ParsedRequest, choice: ResolvedModel, stored: Sequence[StoredPicture]
) -> ResolvedModel:
    """Without a size: the model in the size nearest to the shape of the first input image."""
    first = next((at for file, at in zip(parsed.files, stored, strict=True) if file.role == "image"), None)
    if parsed.body.size not in OPEN or first is None:
        return choice
    size = nearest_size(MODELS[choice.model].sizes, first.width, first.height)
    return choose_model(container, parsed.body, size)


def choose_model(container: Container, body: Body, size: str | None) -> ResolvedModel:
    """Raises Problem 400, or 404 for an unknown model."""
    quality = getattr(body, "quality", None)
    choice = image_requests.choose_model(
        container,
        model=body.model,
        size=None if size in OPEN else size,
        quality=None if quality in OPEN else quality,
        style=getattr(body, "style", None),
    )
    if isinstance(choice, UnsupportedModelOption):
        code = "model_not_found" if choice.field == "model" else "invalid_request"
        raise field_problem(choice.field, choice.message, code)
    return choice


def _check_files(action: Action, files: Sequence[File]) -> None:
    images = sum(file.role == "image" for file in files)
    masks = len(files) - images
    most = IMAGES_MAX if action == "edits" else 1
    if action != "generations" and not 1 <= images <= most:
        raise field_problem("image", f"from 1 to {most} pictures are required" if most > 1 else "one is required")
    if masks > (action == "edits"):
        raise field_problem("mask", "one at most, and for edits only")


async def _store_images(
    container: Container, principal: Principal, files: Sequence[File], stored: list[StoredPicture]
) -> None:
    """Decodes and stores the files, and adds each to ``stored`` for its caller to discard. Raises Problem 400."""
    for file in files:
        found = await container.media_intake.store_picture(principal, file.data, role=file.role, filename=file.filename)
        if isinstance(found, ImageRefused):
            raise field_problem(file.role, found.message.rstrip("."))
        stored.append(found)


async def _discard(container: Container, principal: Principal, stored: Sequence[StoredPicture]) -> None:
    for picture in stored:
        await container.media_intake.discard(principal, picture)


def _image_request(parsed: ParsedRequest, choice: ResolvedModel, stored: Sequence[StoredPicture]) -> ImageRequest:
    inputs = tuple(input_ref_of(file.role, at) for file, at in zip(parsed.files, stored, strict=True))
    return image_request(parsed.body, choice, inputs, same=_fingerprint_parts(parsed))


def image_request(
    body: Body, choice: ResolvedModel, inputs: tuple[InputRef, ...], *, same: tuple[str, ...] = ()
) -> ImageRequest:
    """The images that a body asks for, made of these inputs. Raises Problem 400."""
    given = body.model_dump(mode="json", exclude_none=True)
    return ImageRequest(
        choice,
        None if isinstance(body, OpenAIImageVariationRequest) else body.prompt,
        body.n or 1,
        asked=given | ({"inputs": [ref.model_dump(exclude_none=True) for ref in inputs]} if inputs else {}),
        same=same,
        inputs=inputs,
        format=output_format_of(body),
        model=body.model,
        openai=options_of(body, choice),
        transparent=getattr(body, "background", None) == "transparent",
        compression=getattr(body, "output_compression", None),
        previews=getattr(body, "partial_images", None) or 0,
    )


def _fingerprint_parts(parsed: ParsedRequest) -> tuple[str, ...]:
    """What makes two requests equal."""
    pictures = (f"{file.role}:{hashlib.sha256(file.data).hexdigest()}" for file in parsed.files)
    return (parsed.body.model_dump_json(), *pictures)


def _deadline_s(container: Container) -> int:
    return min(MADE_S_MAX, container.settings.generation_deadline_s)

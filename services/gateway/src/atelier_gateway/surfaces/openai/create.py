"""Making pictures as OpenAI's clients ask for them: they know no 202, so the answer waits until they are made.

A generation that takes longer than ``MADE_S_MAX`` is stopped and paid back by its own deadline, like any that fails.
"""

import asyncio
import base64
import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, Literal, NamedTuple

from fastapi import Request
from starlette.responses import Response

from atelier_gateway.container import Container
from atelier_gateway.generations.client_disconnects import WaitingClient
from atelier_gateway.generations.creation import SurfaceResponses
from atelier_gateway.generations.image_models import (
    MODELS,
    QUALITY_SHOWN,
    ResolvedModel,
    UnsupportedModelOption,
    nearest_size,
)
from atelier_gateway.generations.model_notices import made_by, notice_headers
from atelier_gateway.generations.provider_catalogue import UnsupportedOption
from atelier_gateway.generations.undelivered_results import RequestIdentity
from atelier_gateway.idempotency.keys import REPLAYED_HEADER
from atelier_gateway.identity.authenticator import Principal
from atelier_gateway.media.input_references import stored_input
from atelier_gateway.media.intake import ImageRefused, StoredPicture
from atelier_gateway.projection.store import Generation, NewGeneration
from atelier_gateway.rate_limits.limiter import RateLimitRule
from atelier_gateway.rate_limits.request_limits import RequestLimits
from atelier_gateway.surfaces import image_requests as image_orders
from atelier_gateway.surfaces.image_requests import Order
from atelier_gateway.surfaces.openai import delivery as deliveries
from atelier_gateway.surfaces.openai.errors import problem
from atelier_gateway.surfaces.openai.options import options_of
from atelier_gateway.surfaces.openai.requests import (
    IMAGES_MAX,
    File,
    OpenAIImageEditRequest,
    OpenAIImageRequest,
    OpenAIImageVariationRequest,
    field_problem,
)
from atelier_gateway.web.json_bodies import json_response
from atelier_gateway.web.problems import Problem
from atelier_storage.errors import StorageError
from atelier_storage.objects import PRESIGN_S_MAX

SURFACE = "openai"
PER_OWNER = RateLimitRule("openai-owner", 60, 60)
MADE_S_MAX = 120
PAID_BACK_S_MAX = 60.0
"""How long after its deadline a generation may take to be stopped and paid back."""
PICTURE_BYTES_MAX = 64 * 1024 * 1024
OPEN = (None, "auto")
"""What leaves a choice to us."""

Body = OpenAIImageRequest | OpenAIImageEditRequest | OpenAIImageVariationRequest
Action = Literal["generations", "edits", "variations"]


class Wish(NamedTuple):
    """What a request asks for, and with which pictures."""

    body: Body
    files: Sequence[File] = ()


async def make(
    container: Container, request: Request, gate: RequestLimits, action: Action, read: Callable[[], Awaitable[Wish]]
) -> Response:
    """200 with the pictures. Raises Problem."""
    principal = await container.authenticator.authenticate(request.headers)
    await gate.take(PER_OWNER, f"{principal.owner.kind}:{principal.owner.id}")
    wish = await read()
    choice = _choice(container, wish.body, wish.body.size)
    options_of(wish.body, choice)
    _check_files(action, wish.files)
    key, fingerprint = image_orders.identity(request, _same(wish))
    same = RequestIdentity(principal.owner, _route(action), fingerprint)
    async with container.disconnects.watch(request, key=key, same=same) as caller:
        if (kept := await deliveries.kept(container, request, caller)) is not None:
            return await _delivered(container, caller, _pictures(container, kept, wish.body, choice, replayed=True))
        accepted = await _create(container, request, principal, action, wish, choice)
        if accepted.status_code != 202:
            return accepted
        generation = await deliveries.made(container, principal, accepted, caller, MADE_S_MAX + PAID_BACK_S_MAX, key)
        pictures = _pictures(container, generation, wish.body, choice, replayed=REPLAYED_HEADER in accepted.headers)
        return await _delivered(container, caller, pictures)


async def _delivered(container: Container, caller: WaitingClient, pictures: Awaitable[Response]) -> Response:
    """The answer with the pictures; where they cannot be read now they are kept for the next try, for they are paid
    for. Raises Problem."""
    try:
        return container.disconnects.monitor_response(caller, await pictures)
    except Problem:
        await container.disconnects.cancel_abandoned(caller)
        raise


async def _pictures(
    container: Container, made: Generation, body: Body, choice: ResolvedModel, *, replayed: bool
) -> Response:
    """The 200. Raises Problem."""
    response = json_response(await _shown(container, made, body, choice))
    response.headers["X-Generation-Id"] = str(made.id)
    response.headers.update(notice_headers(body.model))
    if replayed:
        response.headers[REPLAYED_HEADER] = "true"
    return response


def _route(action: Action) -> str:
    return f"POST /v1/images/{action}"


async def _create(
    container: Container, request: Request, principal: Principal, action: Action, wish: Wish, choice: ResolvedModel
) -> Response:
    """The 202 that names the generation, or its refusal."""
    shape = SurfaceResponses(SURFACE, _route(action), _accepted, problem, _unsuitable)
    make = partial(_made, container, request, principal, shape, wish, choice)
    return await container.creator.replay_or_run(principal, shape, *image_orders.identity(request, _same(wish)), make)


async def _made(
    container: Container,
    request: Request,
    principal: Principal,
    shape: SurfaceResponses,
    wish: Wish,
    choice: ResolvedModel,
) -> Response:
    """Stores the pictures and has the generation admitted; what was stored for a refused request is removed again."""
    if wish.files:
        await container.balance_check.require(principal.owner, None)
    stored = await _stored(container, principal, wish.files)
    keeps = False
    try:
        order = _order(wish, _fitted(container, wish, choice, stored), stored)
        draft = image_orders.draft(container, request, order, deadline_s=_deadline_s(container))
        accepted = await container.creator.create(principal, draft, shape)
        keeps = accepted.status_code == 202 and REPLAYED_HEADER not in accepted.headers
    except Problem as refusal:
        keeps = refusal.code == "outcome_unknown"
        raise
    finally:
        if not keeps:
            await _discard(container, principal, stored)
    return accepted


def _fitted(container: Container, wish: Wish, choice: ResolvedModel, stored: Sequence[StoredPicture]) -> ResolvedModel:
    """The choice in the size nearest to the first picture's shape, where pictures are given and no size is."""
    first = next((at for file, at in zip(wish.files, stored, strict=True) if file.role == "image"), None)
    if wish.body.size not in OPEN or first is None:
        return choice
    size = nearest_size(MODELS[choice.model].sizes, first.width, first.height)
    return _choice(container, wish.body, size)


def _choice(container: Container, body: Body, size: str | None) -> ResolvedModel:
    """Raises Problem 400, or 404 for an unknown model."""
    quality = getattr(body, "quality", None)
    choice = image_orders.chosen(
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


async def _stored(container: Container, principal: Principal, files: Sequence[File]) -> list[StoredPicture]:
    """The pictures, decoded and stored. Raises Problem 400, and then none is left."""
    stored: list[StoredPicture] = []
    for file in files:
        found = await container.media_intake.store_picture(principal, file.data, role=file.role, filename=file.filename)
        if isinstance(found, ImageRefused):
            await _discard(container, principal, stored)
            raise field_problem(file.role, found.message.rstrip("."))
        stored.append(found)
    return stored


async def _discard(container: Container, principal: Principal, stored: Sequence[StoredPicture]) -> None:
    for picture in stored:
        await container.media_intake.discard(principal, picture)


def _order(wish: Wish, choice: ResolvedModel, stored: Sequence[StoredPicture]) -> Order:
    body = wish.body
    given = body.model_dump(mode="json", exclude_none=True)
    inputs = tuple(stored_input(file.role, at) for file, at in zip(wish.files, stored, strict=True))
    return Order(
        choice,
        None if isinstance(body, OpenAIImageVariationRequest) else body.prompt,
        body.n or 1,
        asked=given | ({"inputs": [ref.model_dump(exclude_none=True) for ref in inputs]} if inputs else {}),
        same=_same(wish),
        inputs=inputs,
        format=_format(body),
        model=body.model,
        openai=options_of(body, choice),
    )


def _same(wish: Wish) -> tuple[str, ...]:
    """What makes two wishes the same one."""
    pictures = (f"{file.role}:{hashlib.sha256(file.data).hexdigest()}" for file in wish.files)
    return (wish.body.model_dump_json(), *pictures)


def _format(body: Body) -> Any:
    return (None if isinstance(body, OpenAIImageVariationRequest) else body.output_format) or "png"


def _deadline_s(container: Container) -> int:
    return min(MADE_S_MAX, container.settings.generation_deadline_s)


async def _shown(container: Container, generation: Generation, body: Body, choice: ResolvedModel) -> dict[str, Any]:
    """OpenAI's ImagesResponse. We count credits, not tokens: ``usage`` says both."""
    keys = [output["key"] for output in generation.snapshot.outputs]
    # Who names no model gets URLs, as ever: clients of the time when that meant DALL-E read nothing else.
    answers_base64 = body.model is not None and MODELS[choice.model].answers_base64
    expected = body.response_format or ("b64_json" if answers_base64 else "url")
    data = await asyncio.gather(*(_picture(container, key, body.response_format, expected) for key in keys))
    made = generation.request.get("spec", {"size": choice.size, "quality": choice.quality})
    return {
        "created": int(generation.created_at.timestamp()),
        "data": data,
        "model": choice.model,
        "successor": choice.successor,
        "made_by": made_by(generation.snapshot),
        "size": made["size"],
        "quality": QUALITY_SHOWN[made["quality"]],
        "output_format": _format(body),
        "background": "opaque",
        "usage": {
            "input_tokens": 0,
            "output_tokens": 0,
            "total_tokens": 0,
            "input_tokens_details": {"text_tokens": 0, "image_tokens": 0},
            "credits": generation.snapshot.credits_captured,
        },
    }


async def _picture(container: Container, key: str, asked: str | None, expected: str) -> dict[str, str]:
    """One picture as ``asked``. Where nothing is asked it comes both ways: stock clients read the one or the other
    whatever the model, and it is paid for. Raises Problem where what is ``expected`` cannot be read."""
    url = {"url": container.objects.presign_get(key, PRESIGN_S_MAX)}
    if asked == "url":
        return url
    try:
        content = {"b64_json": await _base64(container, key)}
    except Problem:
        if expected == "url":
            return url
        raise
    return content if asked == "b64_json" else url | content


async def _base64(container: Container, key: str) -> str:
    try:
        return base64.b64encode(await container.objects.get(key, PICTURE_BYTES_MAX)).decode()
    except StorageError:
        raise Problem("unavailable", "The picture is made but cannot be read now; ask for its URL instead.") from None


FIELDS: Mapping[str, str] = {"mode": "image", "format": "output_format"}
"""What OpenAI calls them."""


def _unsuitable(found: UnsupportedOption) -> Problem:
    code = "model_not_found" if found.field == "model" else "invalid_request"
    return field_problem(FIELDS.get(found.field, found.field), found.message, code)


def _accepted(generation: NewGeneration) -> Response:
    """Never seen by a client: it is kept under the Idempotency-Key, and leads a repeated request to the pictures."""
    return json_response({"data": {"id": str(generation.id)}}, 202)

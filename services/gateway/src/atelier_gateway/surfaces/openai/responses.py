"""How images are rendered in OpenAI's shape: as URLs, as base64, or both."""

import asyncio
import base64
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from starlette.responses import Response

from atelier_gateway.container import Container
from atelier_gateway.generations.image_models import MODELS, QUALITY_SHOWN, ResolvedModel
from atelier_gateway.generations.model_notices import maker_view, notice_headers
from atelier_gateway.generations.provider_catalogue import UnsupportedOption
from atelier_gateway.idempotency.keys import REPLAYED_HEADER
from atelier_gateway.projection.store import Generation, NewGeneration
from atelier_gateway.surfaces.openai.requests import (
    OpenAIImageEditRequest,
    OpenAIImageRequest,
    OpenAIImageVariationRequest,
)
from atelier_gateway.web.json_bodies import json_response
from atelier_gateway.web.problems import Problem, field_problem
from atelier_storage.errors import StorageError
from atelier_storage.objects import PRESIGN_S_MAX

SURFACE = "openai"
PICTURE_BYTES_MAX = 64 * 1024 * 1024
FIELDS: Mapping[str, str] = {"mode": "image", "format": "output_format"}
"""OpenAI's names of the fields."""


Body = OpenAIImageRequest | OpenAIImageEditRequest | OpenAIImageVariationRequest


async def images_response(
    container: Container, generation: Generation, body: Body, choice: ResolvedModel, *, replayed: bool
) -> Response:
    """The 200. Raises Problem."""
    response = json_response(await _response_body(container, generation, body, choice))
    response.headers["X-Generation-Id"] = str(generation.id)
    response.headers.update(notice_headers(body.model))
    if replayed:
        response.headers[REPLAYED_HEADER] = "true"
    return response


def output_format_of(body: Body) -> Any:
    return (None if isinstance(body, OpenAIImageVariationRequest) else body.output_format) or "png"


@dataclass(frozen=True, slots=True)
class ShownImages:
    """What of a request says how its images are shown."""

    model: str
    is_named: bool
    """Whether the request named the model."""
    successor: str | None
    response_format: str | None
    output_format: str
    size: str
    quality: str


async def _response_body(
    container: Container, generation: Generation, body: Body, choice: ResolvedModel
) -> dict[str, Any]:
    spec = generation.request.get("spec", {"size": choice.size, "quality": choice.quality})
    shown = ShownImages(
        choice.model,
        body.model is not None,
        choice.successor,
        body.response_format,
        output_format_of(body),
        spec["size"],
        spec["quality"],
    )
    return await images_view(container, generation, shown, partial(read_base64, container))


async def images_view(
    container: Container, generation: Generation, shown: ShownImages, read: Callable[[str], Awaitable[str]]
) -> dict[str, Any]:
    """OpenAI's ImagesResponse. We count credits, not tokens: ``usage`` says both. ``read`` gives the base64 of the
    picture under a key. Raises Problem."""
    keys = [output["key"] for output in generation.snapshot.outputs]
    # Who names no model gets URLs, as ever: clients of the time when that meant DALL-E read nothing else.
    answers_base64 = shown.is_named and MODELS[shown.model].answers_base64
    expected = shown.response_format or ("b64_json" if answers_base64 else "url")
    data = await asyncio.gather(*(_image(container, key, shown.response_format, expected, read) for key in keys))
    render_spec = generation.request.get("spec", {})
    return ({"test": True} if generation.owner.is_test else {}) | {
        "created": int(generation.created_at.timestamp()),
        "data": data,
        "model": shown.model,
        "successor": shown.successor,
        "made_by": maker_view(generation.snapshot),
        "size": shown.size,
        "quality": QUALITY_SHOWN[shown.quality],
        "output_format": shown.output_format,
        "background": "transparent" if render_spec.get("transparent") else "opaque",
        "usage": usage_view(generation),
    }


def usage_view(generation: Generation) -> dict[str, Any]:
    """Credits are counted, not tokens."""
    return {
        "input_tokens": 0,
        "output_tokens": 0,
        "total_tokens": 0,
        "input_tokens_details": {"text_tokens": 0, "image_tokens": 0},
        "credits": generation.snapshot.credits_captured,
    }


async def _image(
    container: Container, key: str, response_format: str | None, expected: str, read: Callable[[str], Awaitable[str]]
) -> dict[str, str]:
    """One image in the ``response_format`` requested. Without one it comes in both: stock clients read the one or the
    other whatever the model, and it is charged. Raises Problem where what is ``expected`` cannot be read."""
    url = {"url": container.objects.presign_get(key, PRESIGN_S_MAX)}
    if response_format == "url":
        return url
    try:
        content = {"b64_json": await read(key)}
    except Problem:
        if expected == "url":
            return url
        raise
    return content if response_format == "b64_json" else url | content


async def read_base64(container: Container, key: str) -> str:
    """The picture that lies under the key. Raises Problem while it cannot be read."""
    try:
        return base64.b64encode(await container.objects.get(key, PICTURE_BYTES_MAX)).decode()
    except StorageError:
        raise Problem("unavailable", "The picture is made but cannot be read now; ask for its URL instead.") from None


def option_problem(found: UnsupportedOption) -> Problem:
    code = "model_not_found" if found.field == "model" else "invalid_request"
    return field_problem(FIELDS.get(found.field, found.field), found.message, code)


def render_accepted(generation: NewGeneration) -> Response:
    """Not sent to clients: it is stored under the Idempotency-Key, and leads a repeated request to the images."""
    return json_response({"data": {"id": str(generation.id)}}, 202)

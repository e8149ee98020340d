"""How images are rendered in OpenAI's shape: as URLs, as base64, or both."""

import asyncio
import base64
from collections.abc import Mapping
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


async def _response_body(
    container: Container, generation: Generation, body: Body, choice: ResolvedModel
) -> dict[str, Any]:
    """OpenAI's ImagesResponse. We count credits, not tokens: ``usage`` says both."""
    keys = [output["key"] for output in generation.snapshot.outputs]
    # Who names no model gets URLs, as ever: clients of the time when that meant DALL-E read nothing else.
    answers_base64 = body.model is not None and MODELS[choice.model].answers_base64
    expected = body.response_format or ("b64_json" if answers_base64 else "url")
    data = await asyncio.gather(*(_image(container, key, body.response_format, expected) for key in keys))
    render_spec = generation.request.get("spec", {"size": choice.size, "quality": choice.quality})
    return {
        "created": int(generation.created_at.timestamp()),
        "data": data,
        "model": choice.model,
        "successor": choice.successor,
        "made_by": maker_view(generation.snapshot),
        "size": render_spec["size"],
        "quality": QUALITY_SHOWN[render_spec["quality"]],
        "output_format": output_format_of(body),
        "background": "opaque",
        "usage": {
            "input_tokens": 0,
            "output_tokens": 0,
            "total_tokens": 0,
            "input_tokens_details": {"text_tokens": 0, "image_tokens": 0},
            "credits": generation.snapshot.credits_captured,
        },
    }


async def _image(container: Container, key: str, response_format: str | None, expected: str) -> dict[str, str]:
    """One image in the ``response_format`` requested. Without one it comes in both: stock clients read the one or the
    other whatever the model, and it is charged. Raises Problem where what is ``expected`` cannot be read."""
    url = {"url": container.objects.presign_get(key, PRESIGN_S_MAX)}
    if response_format == "url":
        return url
    try:
        content = {"b64_json": await _base64(container, key)}
    except Problem:
        if expected == "url":
            return url
        raise
    return content if response_format == "b64_json" else url | content


async def _base64(container: Container, key: str) -> str:
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

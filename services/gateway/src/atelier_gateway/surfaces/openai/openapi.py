"""OpenAI's answers as models, for the API's description, and how its multipart forms are described."""

from datetime import date
from typing import Any, Literal

from pydantic import BaseModel, Field

from atelier_gateway.surfaces.onmodel.openapi import MannequinList, OnModelError
from atelier_gateway.surfaces.openai.requests import (
    OpenAIImageEditRequest,
    OpenAIImageRequest,
    OpenAIImageVariationRequest,
)
from atelier_gateway.surfaces.openai.speech_requests import MEDIA_TYPES as SOUND_TYPES
from atelier_gateway.web.json_bodies import RequestBody, body_schema
from atelier_gateway.web.openapi_responses import KEY, WORKSPACE, ProviderModel, query


class OpenAITokenDetails(BaseModel):
    """Always 0: we do not count tokens."""

    text_tokens: int
    image_tokens: int


class OpenAIUsage(BaseModel):
    """What was charged, in ``credits``."""

    input_tokens: int
    output_tokens: int
    total_tokens: int
    input_tokens_details: OpenAITokenDetails
    credits: int = Field(examples=[10])


class OpenAIImage(BaseModel):
    """One picture, as `response_format` asks, else both ways; a URL is good for 15 minutes."""

    url: str | None = None
    b64_json: str | None = None


class OpenAIImagesResponse(BaseModel):
    """The pictures that were made; only these are charged."""

    created: int
    test: bool = False
    """There, and true, where it was made with a test key."""
    data: list[OpenAIImage]
    model: str = Field(examples=["gpt-image-2.6-flare"])
    successor: str | None
    """The model that makes it instead, where `model` is withdrawn; it costs the less of both prices."""
    made_by: ProviderModel | None
    size: str = Field(examples=["1024x1024"])
    quality: Literal["low", "medium", "high"]
    output_format: Literal["png", "jpeg", "webp"]
    background: Literal["opaque", "transparent"]
    usage: OpenAIUsage


class OpenAIModel(BaseModel):
    """An image model."""

    id: str = Field(examples=["dall-e-3"])
    object: Literal["model"]
    created: int
    owned_by: str = Field(examples=["openai"])
    shutdown_date: date | None
    """The day (UTC) from which on `successor` makes what this model is named for; null where no end is announced."""
    successor: str | None


class OpenAIModelList(BaseModel):
    """All image models."""

    object: Literal["list"]
    data: list[OpenAIModel]


class OpenAIError(BaseModel):
    """``param`` is the field at fault."""

    message: str
    type: str = Field(examples=["invalid_request_error"])
    param: str | None
    code: str | None = Field(examples=["invalid_value"])


class OpenAIErrorReply(BaseModel):
    """Every refusal of this surface."""

    error: OpenAIError


REFUSALS = {
    400: "A field or a picture is not valid (`param` names it), the content rules do not allow it"
    " (`content_policy_violation`), or it is something we do not offer",
    401: "`invalid_api_key`",
    403: "The account is disabled, or not a member of the workspace",
    404: "`model_not_found`",
    409: "A request with this Idempotency-Key is still in progress, or the generation was cancelled meanwhile",
    413: "The body is too large",
    422: "The Idempotency-Key was used for another request",
    429: "`insufficient_quota`: not enough credits; or `rate_limit_exceeded`: RateLimit and Retry-After tell when",
    500: "Something went wrong on our side",
    503: "It could not be made, and nothing is charged; or nothing can be started now",
}


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The ``responses`` of a route for these refusals."""
    return {status: {"model": OpenAIErrorReply, "description": REFUSALS[status]} for status in statuses}


BINARY = {"type": "string", "format": "binary"}
LISTED: dict[int | str, dict[str, Any]] = {
    200: {
        "model": OpenAIModelList | MannequinList,
        "description": "The models; with `?onmodel`, the mannequins",
    },
    **{
        status: {"model": OpenAIErrorReply | OnModelError, "description": REFUSALS[status]}
        for status in (401, 403, 429, 500, 503)
    },
}
FOUND: dict[int | str, dict[str, Any]] = {
    200: {"model": OpenAIModel, "description": "The model"},
    **refusals(401, 403, 404, 429, 500, 503),
}
MADE: dict[int | str, dict[str, Any]] = {
    200: {"model": OpenAIImagesResponse, "description": "The pictures"},
    **refusals(*REFUSALS),
}
STREAMED: dict[int | str, dict[str, Any]] = MADE | {
    200: {
        "model": OpenAIImagesResponse,
        "description": "The pictures; with `stream: true` events named `….partial_image`, `….completed` and `error`",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    }
}


def takes_form(model: type[OpenAIImageEditRequest] | type[OpenAIImageVariationRequest], *files: str) -> dict[str, Any]:
    """The ``openapi_extra`` of a route that takes these fields and files."""
    schema = model.model_json_schema()
    schema["properties"] |= dict.fromkeys(files, BINARY)
    schema["required"] = [*schema.get("required", []), "image"]
    body = {"required": True, "content": {"multipart/form-data": {"schema": schema}}}
    return {"requestBody": body, "parameters": [KEY, WORKSPACE]}


SPOKEN: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The sound; with `stream_format: sse` events `speech.audio.delta` and `speech.audio.done`",
        "content": {
            **{name: {"schema": BINARY} for name in SOUND_TYPES.values()},
            "text/event-stream": {"schema": {"type": "string"}},
        },
    },
    **refusals(*REFUSALS),
}


def speaking(model: type[RequestBody]) -> dict[str, Any]:
    """The ``openapi_extra`` of the route that speaks."""
    return body_schema(model) | {"parameters": [KEY, WORKSPACE]}


GENERATING: dict[str, Any] = body_schema(OpenAIImageRequest) | {"parameters": [KEY, WORKSPACE]}
READING: dict[str, Any] = {"parameters": [WORKSPACE]}
ONMODEL = query("onmodel", {"type": "string"}, "Given at all: seed 004's mannequins instead, in its own shape.")
LISTING: dict[str, Any] = {"parameters": [WORKSPACE, ONMODEL | {"allowEmptyValue": True}]}

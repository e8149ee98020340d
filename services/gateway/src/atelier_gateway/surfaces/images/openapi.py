"""Seed 003's answers as models, for the API's description: what stands here is what ``responses.py`` sends."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from atelier_gateway.surfaces.images.requests import ImageBatchRequest, ImageGenerationRequest
from atelier_gateway.web.json_bodies import body_schema
from atelier_gateway.web.openapi_responses import KEY, LIMIT, ProviderModel, header, query

Status = Literal["PENDING", "COMPLETED", "FAILED"]
SAMPLE_ID = "019a6b1e-5d1c-7c43-9d2a-3f1c2b4a5d6e"


class ImageFile(BaseModel):
    """One picture and what is seen in it. ``url`` and ``thumbnail`` are signed as they are read, for 15 minutes;
    ``size`` in bytes, sides in pixels, ``colours`` the dominant ones, the most frequent first."""

    url: str
    format: str = Field(examples=["png"])
    width: int | None
    height: int | None
    size: int
    checksum: str = Field(examples=["sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"])
    colours: list[str] = Field(examples=[["#c8321e", "#f4f0e8"]])
    tags: list[str] = Field(examples=[["image", "png", "square", "bicycle"]])
    thumbnail: str | None


class ImageCredits(BaseModel):
    """What was held for it, what was charged for it, and what the workspace has left (null where it is not known)."""

    reserved: int
    used: int
    remaining: int | None


class ImageRecord(BaseModel):
    """The generation as the seed's model keeps it."""

    id: str
    workspaceId: str
    userId: str
    type: Literal["IMAGE"]
    model: str
    provider: str
    prompt: str
    result: str | None
    tokens: int
    credits: int
    status: Status
    error: str | None
    createdAt: datetime
    completedAt: datetime | None


class ImageGeneration(BaseModel):
    """A generation of pictures. ``provider`` makes or made them: another than ``asked_provider`` where
    that one failed, and ``local`` where a development installation has no account there. ``model`` as requested."""

    id: str = Field(examples=[SAMPLE_ID])
    status: Status
    provider: str = Field(examples=["local"])
    asked_provider: str = Field(examples=["openai"])
    reused: bool
    model: str = Field(examples=["dall-e-3"])
    successor: str | None
    """The model that makes it instead, where `model` is withdrawn; it costs the less of both prices."""
    made_by: ProviderModel | None
    images: list[ImageFile]
    credits: ImageCredits
    status_url: str = Field(examples=[f"/api/ai/images/{SAMPLE_ID}"])
    record: ImageRecord | None = None


class ImageGenerationReply(BaseModel):
    """One generation."""

    success: Literal[True]
    data: ImageGeneration


class ImageGenerationPage(BaseModel):
    """Generations, newest first; ``nextCursor`` leads to older ones."""

    items: list[ImageGeneration]
    nextCursor: str | None


class ImageGenerationPageReply(BaseModel):
    """A page of generations."""

    success: Literal[True]
    data: ImageGenerationPage


class ImageError(BaseModel):
    """``details`` names the fields at fault, the credits required and available, or the failed generation."""

    code: str = Field(examples=["INVALID_SIZE"])
    message: str = Field(examples=["size: dall-e-3 makes 1024x1024, 1792x1024, 1024x1792, not 256x256."])
    details: dict[str, Any] | None = None


class ImageErrorReply(BaseModel):
    """Every refusal of this surface."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "success": False,
                    "error": {
                        "code": "INSUFFICIENT_CREDITS",
                        "message": "20 credits required, 5 available.",
                        "details": {"required": 20, "available": 5},
                    },
                }
            ]
        }
    )

    success: Literal[False]
    error: ImageError


class ImageBatch(BaseModel):
    """The outcome of each request, in their order."""

    items: list[ImageGenerationReply | ImageErrorReply]


class ImageBatchReply(BaseModel):
    """A batch of which at least one was admitted."""

    success: Literal[True]
    data: ImageBatch


REFUSALS: dict[int, str] = {
    400: "A field is not valid, the size or quality is not the model's, the workspace is missing, or its key is odd",
    401: "No valid token",
    402: "Not enough credits; details name the required and the available",
    403: "Not a member of the workspace, or the account is disabled",
    404: "No such generation of this workspace",
    409: "A request with this Idempotency-Key is still in progress",
    413: "The body is too large",
    422: "The Idempotency-Key was used for another request",
    429: "Too many requests; RateLimit and Retry-After tell when to come again",
    500: "Something went wrong on our side",
    503: "The provider failed (details name the refunded generation), or nothing can be started now",
}


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The ``responses`` of a route for these refusals."""
    return {status: {"model": ImageErrorReply, "description": REFUSALS[status]} for status in statuses}


CREATED: dict[int | str, dict[str, Any]] = {
    200: {"model": ImageGenerationReply, "description": "The pictures"},
    202: {"model": ImageGenerationReply, "description": "Not made yet: `status_url` will tell"},
    **refusals(400, 401, 402, 403, 409, 413, 422, 429, 500, 503),
}
BATCHED: dict[int | str, dict[str, Any]] = {
    202: {"model": ImageBatchReply, "description": "At least one is admitted: each `status_url` will tell"},
    **refusals(400, 401, 402, 403, 409, 413, 422, 429, 500, 503),
}
READ: dict[int | str, dict[str, Any]] = {
    200: {"model": ImageGenerationReply, "description": "The generation"},
    **refusals(400, 401, 403, 404, 429, 500, 503),
}
LISTED: dict[int | str, dict[str, Any]] = {
    200: {"model": ImageGenerationPageReply, "description": "Generations, newest first"},
    **refusals(400, 401, 403, 429, 500, 503),
}


WORKSPACE = header("X-Workspace-Id", {"type": "string", "format": "uuid"}, "For whom; or `workspaceId`.")
NAMED = query("workspaceId", {"type": "string", "format": "uuid"}, "For whom; or X-Workspace-Id.")
CURSOR = query("cursor", {"type": "string", "format": "uuid"}, "`nextCursor` of the page before.")
PREFER = header("Prefer", {"type": "string", "examples": ["respond-async"]}, "`respond-async`: 202 at once.")

CREATING: dict[str, Any] = body_schema(ImageGenerationRequest) | {"parameters": [WORKSPACE, KEY, PREFER]}
BATCHING: dict[str, Any] = body_schema(ImageBatchRequest) | {"parameters": [WORKSPACE, KEY]}
READING: dict[str, Any] = {"parameters": [WORKSPACE, NAMED]}
LISTING: dict[str, Any] = {"parameters": [WORKSPACE, NAMED, LIMIT, CURSOR]}

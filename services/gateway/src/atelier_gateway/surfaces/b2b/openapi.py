"""Seed 000's answers as models, for the API's description: what stands here is what ``routes.py`` sends."""

from datetime import datetime
from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

SAMPLE_ID = "019a6b1e-5d1c-7c43-9d2a-3f1c2b4a5d6e"
Status = Literal["queued", "processing", "completed", "failed"]
Data = TypeVar("Data")
Responses = dict[int | str, dict[str, Any]]


class TryOnStart(BaseModel):
    """The session that was started."""

    session_id: str = Field(examples=[SAMPLE_ID])
    status: Literal["queued"]


class TryOnSession(BaseModel):
    """A session; ``generated_image_url`` is signed as it is read, for 15 minutes."""

    session_id: str = Field(examples=[SAMPLE_ID])
    status: Status
    generated_image_url: str | None
    error_message: str | None
    created_at: datetime
    test: bool = False
    """There, and true, where it was made with a test key."""


class TryOnSessionPage(BaseModel):
    """Sessions of the store, newest first; ``next_cursor`` leads to older ones."""

    sessions: list[TryOnSession]
    next_cursor: str | None


class TryOnUpload(BaseModel):
    """Where to PUT the picture, with exactly these headers; ``key`` and ``url`` may then stand in ``image_urls``."""

    key: str = Field(examples=[f"stores/{SAMPLE_ID}/uploads/{SAMPLE_ID}/person.jpg"])
    upload_url: str
    method: Literal["PUT"]
    headers: dict[str, str]
    url: str
    expires_at: datetime


class Envelope(BaseModel, Generic[Data]):
    """Every success of this surface."""

    data: Data
    error: None


class TryOnStartEnvelope(Envelope[TryOnStart]):
    """The answer to a new try-on."""


class TryOnSessionEnvelope(Envelope[TryOnSession]):
    """The answer with one session."""


class TryOnSessionPageEnvelope(Envelope[TryOnSessionPage]):
    """The answer with a page of sessions."""


class TryOnUploadEnvelope(Envelope[TryOnUpload]):
    """The answer to a new upload."""


class TryOnError(BaseModel):
    """Why not; ``details`` names the fields at fault, or the credits required and available."""

    code: str = Field(examples=["INSUFFICIENT_CREDITS"])
    message: str = Field(examples=["1 credit required, 0 available."])
    details: dict[str, Any] | None = None


class TryOnErrorEnvelope(BaseModel):
    """Every refusal of this surface."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "data": None,
                    "error": {
                        "code": "INSUFFICIENT_CREDITS",
                        "message": "1 credit required, 0 available.",
                        "details": {"required": 1, "available": 0},
                    },
                }
            ]
        }
    )

    data: None
    error: TryOnError


REFUSALS: dict[int, str] = {
    400: "A field is not valid, a picture is unknown, or the Idempotency-Key is odd",
    401: "No valid API key",
    402: "Not enough credits; details name the required and the available",
    403: "The store is suspended",
    404: "No such session of this store",
    409: "A request with this Idempotency-Key is still in progress",
    413: "The body is too large",
    422: "The Idempotency-Key was used for another request",
    429: "Too many requests; Retry-After tells when to come again",
    500: "Something went wrong on our side",
    503: "Nothing was started and nothing is charged; try again later",
}


def _refusals(*statuses: int) -> Responses:
    return {status: {"model": TryOnErrorEnvelope, "description": REFUSALS[status]} for status in statuses}


CREATED: Responses = {
    201: {"model": TryOnStartEnvelope, "description": "Queued, one credit held"},
    **_refusals(400, 401, 403, 402, 409, 413, 422, 429, 500, 503),
}
READ: Responses = {
    200: {"model": TryOnSessionEnvelope, "description": "The session"},
    **_refusals(401, 403, 404, 429, 500, 503),
}
LISTED: Responses = {
    200: {"model": TryOnSessionPageEnvelope, "description": "Sessions, newest first"},
    **_refusals(400, 401, 403, 429, 500, 503),
}
OFFERED: Responses = {
    201: {"model": TryOnUploadEnvelope, "description": "Where to put the picture"},
    **_refusals(400, 401, 403, 409, 413, 422, 429, 500, 503),
}
PAGING = {
    "parameters": [
        {
            "name": "limit",
            "in": "query",
            "description": "The most sessions that a page holds.",
            "schema": {"type": "integer", "minimum": 1, "maximum": 100, "default": 20},
        },
        {
            "name": "cursor",
            "in": "query",
            "description": "`next_cursor` of the previous page; absent for the first one.",
            "schema": {"type": "string", "format": "uuid"},
        },
    ]
}

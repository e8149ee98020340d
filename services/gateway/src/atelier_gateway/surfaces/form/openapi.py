"""The form's answers as models, for the API's description."""

from typing import Any, Literal

from pydantic import BaseModel, Field

from atelier_gateway.web.openapi_responses import CURSOR, KEY, LIMIT

ID = "0198c0de-0000-7000-8000-000000000002"
RATE_HEADERS = {
    name: {"schema": {"type": "string"}, "description": told}
    for name, told in (
        ("RateLimit", "What is left of the hour."),
        ("RateLimit-Policy", "How many requests an hour are accepted."),
    )
}


class FormSubmission(BaseModel):
    """A generation that was accepted."""

    id: str = Field(alias="_id", examples=[ID])
    status: Literal["pending"]
    estimatedCost: int = Field(examples=[1])
    estimatedTime: str = Field(examples=["30-60 seconds"])
    queuePosition: int = Field(examples=[1])


class FormSubmissionReply(BaseModel):
    """The answer to a form that was accepted."""

    success: Literal[True]
    data: FormSubmission


class FormGeneration(BaseModel):
    """A generation; URLs of results are good for 15 minutes."""

    id: str = Field(alias="_id", examples=[ID])
    status: Literal["pending", "processing", "completed", "failed"]
    progress: int = Field(ge=0, le=100)
    estimatedCost: int
    estimatedTime: str
    queuePosition: int | None
    tokensUsed: int
    prompt: str
    parameters: dict[str, Any]
    productImageUrl: str
    modelImageUrl: str | None
    resultImageUrl: str | None
    productImages: list[str]
    modelImages: list[str]
    resultImages: list[str]
    error: str | None
    createdAt: str
    updatedAt: str


class FormGenerationReply(BaseModel):
    """The answer with one generation."""

    success: Literal[True]
    data: FormGeneration


class FormGenerationListReply(BaseModel):
    """Generations, newest first; ``nextCursor`` leads to older ones and is null at the end."""

    success: Literal[True]
    data: list[FormGeneration]
    nextCursor: str | None


class FormFieldError(BaseModel):
    """What is wrong with one field."""

    field: str = Field(examples=["productImages"])
    message: str = Field(examples=["At least one product image is required"])


class FormError(BaseModel):
    """The body of every error; ``details`` and ``validationErrors`` are absent where they add nothing."""

    success: Literal[False]
    error: str = Field(examples=["Invalid request data"])
    code: str = Field(examples=["VALIDATION_ERROR"])
    details: str | None = None
    timestamp: str = Field(examples=["2026-01-01T12:00:00.000Z"])
    requestId: str
    validationErrors: list[FormFieldError] | None = None


class FormDisabledError(BaseModel):
    """The form is switched off."""

    error: Literal["Endpoint not available"]


class FormHealth(BaseModel):
    """The form can be used."""

    status: Literal["healthy"]
    timestamp: str


class FormHealthError(BaseModel):
    """The form cannot be used; ``error`` names the parts that do not answer."""

    status: Literal["unhealthy"]
    error: str
    timestamp: str


def _refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    return {status: {"model": FormError} for status in statuses}


CREATE: dict[int | str, dict[str, Any]] = {
    201: {"model": FormSubmissionReply, "headers": RATE_HEADERS},
    **_refusals(400, 401, 403, 409, 413, 422, 429, 500),
    503: {"model": FormError | FormDisabledError},
}
HEALTH: dict[int | str, dict[str, Any]] = {
    200: {"model": FormHealth},
    503: {"model": FormHealthError},
    **_refusals(500),
}
GET: dict[int | str, dict[str, Any]] = {200: {"model": FormGenerationReply}, **_refusals(401, 403, 404, 429, 500, 503)}
LIST: dict[int | str, dict[str, Any]] = {
    200: {"model": FormGenerationListReply},
    **_refusals(400, 401, 403, 429, 500, 503),
}
PAGING: dict[str, Any] = {"parameters": [LIMIT, CURSOR]}
KEYED: dict[str, Any] = {"parameters": [KEY]}

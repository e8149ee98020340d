"""Seed 004's answers as models, for the API's description."""

from typing import Any, Literal

from pydantic import BaseModel, Field

from atelier_gateway.surfaces.onmodel.requests import FlatLayRequest, OnModelRequest
from atelier_gateway.web.json_bodies import body_schema
from atelier_gateway.web.openapi_responses import KEY


class OnModelResult(BaseModel):
    """A job as it stands; flat-lays have no ``model_id``."""

    success: bool
    message: str = Field(examples=["on-model image generation completed"])
    model_id: int | str | None = Field(default=None, examples=[123])
    background_id: int | str = Field(examples=[456])
    photo_count: int
    generated_at: str = Field(examples=["2026-01-01T12:00:00Z"])
    image_url: str | None
    status: Literal["completed", "processing", "failed"]
    feature: Literal["onmodel", "flatlay"]


class OnModelJob(BaseModel):
    """Not made yet: ask ``/v1/onmodel/status/{job_id}`` or ``/v1/flatlay/status/{job_id}``."""

    success: Literal[True]
    job_id: str
    message: str = Field(examples=["On-model generation started"])
    estimated_time: int = Field(description="seconds")
    status: Literal["processing"]
    model_id: int | str | None = None
    background_id: int | str
    photo_count: int
    generated_at: str


class Mannequin(BaseModel):
    """A mannequin."""

    id: str
    name: str
    skin: str = Field(examples=["#eccdb6"])
    hair: str


class MannequinList(BaseModel):
    """All mannequins."""

    success: Literal[True]
    models: list[Mannequin]


class Background(BaseModel):
    """A background."""

    id: str
    name: str
    backdrop: str
    colors: list[str]


class BackgroundList(BaseModel):
    """All backgrounds."""

    success: Literal[True]
    backgrounds: list[Background]


class OnModelError(BaseModel):
    """Every error."""

    success: Literal[False]
    message: str
    error_code: str = Field(examples=["INVALID_REQUEST"])


Responses = dict[int | str, dict[str, Any]]


def _refusals(*statuses: int) -> Responses:
    return {status: {"model": OnModelError} for status in statuses}


CREATE: Responses = {
    200: {"model": OnModelResult},
    202: {"model": OnModelJob},
    **_refusals(400, 401, 402, 403, 404, 409, 413, 422, 429, 500, 503),
}
STATUS: Responses = {200: {"model": OnModelResult}, **_refusals(401, 403, 404, 429, 500, 503)}
MODELS: Responses = {200: {"model": MannequinList}, **_refusals(401, 403, 429, 500, 503)}
BACKGROUNDS: Responses = {200: {"model": BackgroundList}, **_refusals(401, 403, 429, 500, 503)}


def either_body() -> dict[str, Any]:
    """The ``openapi_extra`` of the one route that takes two bodies, by the query."""
    described = [body_schema(model)["requestBody"] for model in (OnModelRequest, FlatLayRequest)]
    bodies = [response["content"]["application/json"]["schema"] for response in described]
    flags = [
        {
            "name": name,
            "in": "query",
            "allowEmptyValue": True,
            "description": f"Present with any value: {meaning}. Exactly one of `onmodel` and `flatlay` is required.",
            "schema": {"type": "string"},
        }
        for name, meaning in (("onmodel", "the product is worn by a model"), ("flatlay", "the product is laid flat"))
    ]
    content = {"application/json": {"schema": {"oneOf": bodies}}}
    return {"requestBody": {"required": True, "content": content}, "parameters": [*flags, KEY]}

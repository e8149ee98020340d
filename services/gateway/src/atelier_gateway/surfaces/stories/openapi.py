"""Seed 001's answers as models, for the API's description: every status a route can answer, and its body."""

from typing import Any

from pydantic import BaseModel, Field

from atelier_gateway.surfaces.stories.requests import PAGE_MAX, PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX
from atelier_gateway.surfaces.stories.responses import ERRORS, Status

ID = "0198c0de-0000-7000-8000-000000000001"


class StoryError(BaseModel):
    """Why not."""

    error: str
    details: list[dict[str, Any]] | None = None


class Story(BaseModel):
    """A story."""

    id: str = Field(examples=[ID])
    title: str = Field(examples=["The lighthouse"])
    text: str = Field(examples=["The old keeper climbed the stairs."])
    language: str = Field(examples=["en"])
    created_at: str = Field(examples=["2026-01-01T12:00:00+00:00"])


class StoryGenerationStart(BaseModel):
    """What will be narrated."""

    id: str = Field(examples=[ID])
    status: Status
    progress: int = Field(ge=0, le=100)


class StoryGeneration(BaseModel):
    """A narration; ``result_url`` is null until it has succeeded, then good for 15 minutes."""

    id: str = Field(examples=[ID])
    story_id: str = Field(examples=[ID])
    status: Status
    progress: int = Field(ge=0, le=100)
    result_url: str | None


class PageMeta(BaseModel):
    """Where in the list this is; ``total`` counts all pages."""

    page: int
    pageSize: int
    total: int


class StoryPage(BaseModel):
    """Stories, newest first."""

    data: list[Story]
    meta: PageMeta


class StoryGenerationPage(BaseModel):
    """Narrations, newest first."""

    data: list[StoryGeneration]
    meta: PageMeta


_REFUSALS: dict[int, str] = {
    400: ERRORS["invalid_request"],
    401: ERRORS["unauthorized"],
    402: ERRORS["insufficient_credits"],
    403: "The account is disabled",
    404: "There is no such story or generation, or it is another user's",
    409: "The generation has not ended, or the first request with this Idempotency-Key has not",
    413: "The request body is too large",
    422: "The Idempotency-Key was used for another request",
    429: ERRORS["rate_limited"],
    500: ERRORS["internal_error"],
}


def answers(success: int, model: type[BaseModel] | None, *refusals: int) -> dict[int | str, dict[str, Any]]:
    """The ``responses`` of a route: its success, those refusals, and the ones every route of a user has."""
    told: dict[int | str, dict[str, Any]] = {success: {"model": model} if model else {"description": "Done"}}
    for status in sorted({401, 403, 429, 500, *refusals}):
        told[status] = {"model": StoryError, "description": _REFUSALS[status]}
    return told


def _in_query(name: str, schema: dict[str, Any], description: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "schema": schema, "description": description}


PAGING: dict[str, Any] = {
    "parameters": [
        _in_query(
            "page",
            {"type": "integer", "minimum": 1, "maximum": PAGE_MAX, "default": 1},
            "The number of the page, from 1.",
        ),
        _in_query(
            "pageSize",
            {"type": "integer", "minimum": 1, "maximum": PAGE_SIZE_MAX, "default": PAGE_SIZE_DEFAULT},
            "The most entries that a page holds.",
        ),
    ]
}
FILTERED: dict[str, Any] = {
    "parameters": [
        *PAGING["parameters"],
        _in_query(
            "status",
            {"type": "string", "enum": ["pending", "in_progress", "succeeded", "failed"]},
            "Only narrations with this status.",
        ),
    ]
}

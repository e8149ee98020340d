"""How the stories surface (seed 001) renders stories, narrations and errors."""

from collections.abc import Mapping
from typing import Any, Literal

from starlette.responses import Response

from atelier_gateway.generations.surface_responses import SurfaceResponses
from atelier_gateway.projection.snapshot import State
from atelier_gateway.projection.store import NewGeneration
from atelier_gateway.stories.store import Story, StoryNarration
from atelier_gateway.web.json_bodies import json_response
from atelier_gateway.web.problems import PROBLEM_TYPES, Problem
from atelier_storage.objects import PRESIGN_S_MAX, ObjectStore

SURFACE = "stories"
PREFIXES = ("/api/stories", "/api/story-generations")
CREATE = f"POST {PREFIXES[1]}"
CREATE_STORY = f"POST {PREFIXES[0]}"

Status = Literal["pending", "in_progress", "succeeded", "failed"]
STATUSES: Mapping[State, Status] = {
    "accepted": "pending",
    "queued": "pending",
    "rendering": "in_progress",
    "delivering": "in_progress",
    "succeeded": "succeeded",
    "failed": "failed",
    "cancelled": "failed",
    "expired": "failed",
    "rejected": "failed",
}
ERRORS: Mapping[str, str] = {
    "unauthorized": "Unauthorized",
    "invalid_request": "Validation error",
    "invalid_idempotency_key": "Validation error",
    "simulator_off": "Validation error",
    "conflict": "Cannot delete in-progress generation",
    "insufficient_credits": "Insufficient credits",
    "cap_exceeded": "Spending cap reached",
    "rate_limited": "Too many requests",
    "internal_error": "Internal server error",
    "unavailable": "Internal server error",
    "provider_unavailable": "Internal server error",
    "outcome_unknown": "Internal server error",
}
"""The words of seed 001; other codes have their usual title."""


def states_of(status: Status) -> list[State]:
    """The states behind a status of seed 001."""
    return [state for state, word in STATUSES.items() if word == status]


def render_problem(problem: Problem) -> Response:
    """``{"error", "details"?}``. Failures of this service are 500 here: the only status of seed 001 for them."""
    error = ERRORS.get(problem.code, PROBLEM_TYPES[problem.code].title)
    body: dict[str, Any] = {"error": problem.detail if problem.code == "not_found" else error}
    if details := _details(problem):
        body["details"] = details
    return problem.respond(body, min(problem.status, 500))


def _details(problem: Problem) -> list[Any]:
    if problem.status == 400:
        return list(problem.details.get("errors") or [{"field": "request", "message": problem.detail}])
    return [problem.details] if problem.status == 402 else []


def render_accepted(generation: NewGeneration) -> Response:
    """202."""
    return json_response({"id": str(generation.id), "status": "pending", "progress": 0}, 202)


def narration_view(narration: StoryNarration, objects: ObjectStore) -> dict[str, object]:
    """A StoryGenerationDto; ``result_url`` is signed as it is read, for 15 minutes."""
    generation = narration.generation
    snapshot = generation.snapshot
    return {
        "id": str(generation.id),
        "story_id": str(narration.story_id),
        "status": STATUSES[snapshot.state],
        "progress": snapshot.progress,
        "result_url": objects.presign_get(snapshot.outputs[0]["key"], PRESIGN_S_MAX) if snapshot.outputs else None,
    }


def story_view(story: Story) -> dict[str, object]:
    """A story, whole."""
    return {
        "id": str(story.id),
        "title": story.title,
        "text": story.text,
        "language": story.language,
        "created_at": story.created_at.isoformat(),
    }


RESPONSES = SurfaceResponses(SURFACE, CREATE, render_accepted, render_problem)

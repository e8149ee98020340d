"""How a store sees its try-ons: ``{"data", "error"}``, status words, error codes in capitals."""

from typing import Any

from starlette.responses import Response

from atelier_gateway.generations import try_on
from atelier_gateway.generations.surface_responses import SurfaceResponses
from atelier_gateway.projection.store import Generation, NewGeneration
from atelier_gateway.web.json_bodies import json_response
from atelier_gateway.web.problems import Problem
from atelier_storage.objects import ObjectStore

SURFACE = "b2b"
PREFIX = "/api/v1"
CREATE = f"POST {PREFIX}/generation/create"


def render_problem(problem: Problem) -> Response:
    """``{"data": null, "error": {"code", "message", "details"?}}``."""
    error: dict[str, Any] = {"code": problem.code.upper(), "message": problem.detail}
    if problem.details:
        error["details"] = problem.details
    return problem.respond({"data": None, "error": error})


def render_accepted(generation: NewGeneration) -> Response:
    return json_response(envelope({"session_id": str(generation.id), "status": "queued"}), 201)


def envelope(data: object) -> dict[str, object]:
    return {"data": data, "error": None}


def upload_envelope(upload: dict[str, object]) -> object:
    """Seed 000.8's fields, and no others."""
    return envelope({name: value for name, value in upload.items() if name != "id"})


def try_on_view(generation: Generation, objects: ObjectStore) -> dict[str, object]:
    """A generation as its store sees it."""
    return {
        "session_id": str(generation.id),
        "status": try_on.STATUSES[generation.snapshot.state],
        "generated_image_url": try_on.picture_url(generation, objects),
        "error_message": try_on.error_message(generation),
        "created_at": generation.created_at.isoformat(),
        **({"test": True} if generation.owner.is_test else {}),
    }


RESPONSES = SurfaceResponses(SURFACE, CREATE, render_accepted, render_problem)

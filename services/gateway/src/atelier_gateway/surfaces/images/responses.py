"""How the images surface (seed 003) renders generations and errors. Pure but for the signing of URLs."""

from typing import Any

from starlette.responses import Response

from atelier_gateway.generations.model_notices import maker_view
from atelier_gateway.generations.provider_catalogue import UnsupportedOption
from atelier_gateway.generations.surface_responses import SurfaceResponses
from atelier_gateway.projection.snapshot import TERMINAL, Snapshot, State
from atelier_gateway.projection.store import Generation, NewGeneration
from atelier_gateway.web.json_bodies import json_response
from atelier_gateway.web.problems import Problem, field_problem
from atelier_storage.objects import PRESIGN_S_MAX, ObjectStore

STATUSES: dict[State, str] = {
    "accepted": "PENDING",
    "queued": "PENDING",
    "rendering": "PENDING",
    "delivering": "PENDING",
    "succeeded": "COMPLETED",
    "failed": "FAILED",
    "cancelled": "FAILED",
    "expired": "FAILED",
    "rejected": "FAILED",
}
"""Seed 003, GenerationStatus."""
PREFIX = "/api/ai/images"
SURFACE = "images"
CREATE = f"POST {PREFIX}"
CODES = {
    "invalid_request": "VALIDATION_ERROR",
    "insufficient_credits": "INSUFFICIENT_CREDITS",
    "workspace_forbidden": "FORBIDDEN",
    "rate_limited": "RATE_LIMIT_EXCEEDED",
    "provider_failed": "PROVIDER_UNAVAILABLE",
    "deadline_passed": "PROVIDER_UNAVAILABLE",
    "unavailable": "SERVICE_UNAVAILABLE",
}
"""The error codes of seed 003, where they are not ours in capitals."""


def render_accepted(generation: NewGeneration) -> Response:
    """The 202: the generation as it was at that moment, also when it is replayed later."""
    at_first = Snapshot(state="queued", credits_reserved=generation.price)
    return json_response({"success": True, "data": _generation_fields(generation, at_first, [], None)}, 202)


def generation_view(generation: Generation, objects: ObjectStore, remaining_credits: int | None) -> dict[str, Any]:
    """The generation as it is now, with its record of seed 003; image URLs are signed at each read."""
    images = [_image(output, objects) for output in generation.snapshot.outputs]
    fields = _generation_fields(generation, generation.snapshot, images, remaining_credits)
    return fields | {"record": _record(generation, images[0]["url"] if images else None)}


def _image(output: dict[str, Any], objects: ObjectStore) -> dict[str, Any]:
    return {
        "url": objects.presign_get(output["key"], PRESIGN_S_MAX),
        "format": output["content_type"].removeprefix("image/"),
        "width": output.get("width"),
        "height": output.get("height"),
        "size": output["size"],
        "checksum": f"sha256:{output['sha256']}",
        "colours": list(output.get("colours", ())),
        "tags": list(output.get("tags", ())),
        "thumbnail": objects.presign_get(thumbnail, PRESIGN_S_MAX) if (thumbnail := output.get("thumbnail")) else None,
    }


def _generation_fields(
    generation: NewGeneration,
    snapshot: Snapshot,
    images: list[dict[str, Any]],
    remaining_credits: int | None,
) -> dict[str, Any]:
    return {
        "id": str(generation.id),
        "status": STATUSES[snapshot.state],
        "provider": _maker(generation, snapshot),
        "asked_provider": generation.request.get("asked_provider", generation.request["provider"]),
        "model": generation.request["model"],
        "successor": generation.request.get("successor"),
        "made_by": maker_view(snapshot),
        "reused": snapshot.reused,
        "images": images,
        "credits": {
            "reserved": snapshot.credits_reserved,
            "used": snapshot.credits_captured,
            "remaining": remaining_credits,
        },
        "status_url": f"{PREFIX}/{generation.id}",
    }


def _maker(generation: NewGeneration, snapshot: Snapshot) -> str:
    """The provider that made it; before that the one it was requested of, since fail-over may change it."""
    return snapshot.maker or str(generation.request["provider"])


def _record(generation: Generation, result: str | None) -> dict[str, Any]:
    """Seed 003, model Generation. Pictures are not counted in tokens."""
    snapshot, fields = generation.snapshot, generation.request
    is_failed = STATUSES[snapshot.state] == "FAILED"
    return {
        "id": str(generation.id),
        "workspaceId": str(generation.owner.id),
        "userId": fields["userId"],
        "type": "IMAGE",
        "model": fields["model"],
        "provider": _maker(generation, snapshot),
        "prompt": fields.get("prompt", ""),
        "result": result,
        "tokens": 0,
        "credits": snapshot.credits_captured,
        "status": STATUSES[snapshot.state],
        "error": (snapshot.error or {}).get("message", snapshot.state) if is_failed else None,
        "createdAt": generation.created_at.isoformat(),
        "completedAt": generation.updated_at.isoformat() if snapshot.rank == TERMINAL else None,
    }


def render_problem(problem: Problem) -> Response:
    """``{"success": false, "error": {"code", "message", "details"?}}``."""
    code = CODES.get(problem.code, problem.code.upper())
    error: dict[str, Any] = {"code": code, "message": problem.detail}
    if problem.details:
        error["details"] = problem.details
    return problem.respond({"success": False, "error": error})


def envelope(data: object) -> dict[str, object]:
    """The envelope of every response with data."""
    return {"success": True, "data": data}


def option_problem(found: UnsupportedOption) -> Problem:
    field = "image" if found.field == "mode" else found.field
    return field_problem(field, found.message, "invalid_size" if field == "size" else "invalid_request")


RESPONSES = SurfaceResponses(SURFACE, CREATE, render_accepted, render_problem, option_problem)

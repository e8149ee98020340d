"""How the form renders generations and errors: the two envelopes of seed 002, its error codes, its security headers."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from starlette.responses import Response

from atelier_gateway.generations.form_queue import SURFACE
from atelier_gateway.generations.provider_catalogue import UnsupportedOption
from atelier_gateway.generations.surface_responses import SurfaceResponses
from atelier_gateway.projection.snapshot import State
from atelier_gateway.projection.store import Generation, NewGeneration
from atelier_gateway.surfaces.form.requests import ESTIMATED_TIMES
from atelier_gateway.web.json_bodies import json_response
from atelier_gateway.web.problems import Problem
from atelier_gateway.web.request_id import REQUEST_ID
from atelier_storage.objects import PRESIGN_S_MAX, ObjectStore

SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "X-XSS-Protection": "1; mode=block",
    "Referrer-Policy": "strict-origin-when-cross-origin",
}
"""Those that seed 002 lists; others are on every response (``middleware/request_guard.py``)."""

CODES: Mapping[str, tuple[str, str | None]] = {
    "unauthorized": ("AUTHENTICATION_REQUIRED", "Authentication required"),
    "account_disabled": ("ACCOUNT_DISABLED", "Account not active"),
    "invalid_request": ("VALIDATION_ERROR", "Invalid request data"),
    "invalid_idempotency_key": ("VALIDATION_ERROR", None),
    "simulator_off": ("VALIDATION_ERROR", None),
    "invalid_image": ("IMAGE_VALIDATION_ERROR", None),
    "model_unsuitable": ("MODEL_ERROR", None),
    "insufficient_credits": ("INSUFFICIENT_TOKENS", None),
    "rate_limited": (
        "RATE_LIMIT_EXCEEDED",
        "Rate limit exceeded. Please wait before making another request.",
    ),
    "request_too_large": ("REQUEST_TOO_LARGE", "Request too large"),
    "queue_full": ("QUEUE_FULL", "Generation queue is at capacity. Please try again later."),
    "tenant_queue_full": ("QUEUE_FULL", None),
    "internal_error": ("SERVER_ERROR", "Internal server error"),
    "unavailable": ("SERVER_ERROR", None),
    "provider_unavailable": ("SERVER_ERROR", None),
    "outcome_unknown": ("SERVER_ERROR", None),
}
"""Our codes to those of seed 002, with its sentence where it has one. Other codes are ours in capitals."""
STATUS_CODES = {"insufficient_credits": 400, "cap_exceeded": 400}

STATUSES: Mapping[State, str] = {
    "accepted": "pending",
    "queued": "pending",
    "rendering": "processing",
    "delivering": "processing",
    "succeeded": "completed",
    "failed": "failed",
    "cancelled": "failed",
    "expired": "failed",
    "rejected": "failed",
}
PREFIX = "/api/generate"
CREATE = f"POST {PREFIX}"


def render_problem(problem: Problem) -> Response:
    """``{success: false, error, code, details?, timestamp, requestId, validationErrors?}``."""
    if problem.code == "endpoint_off":
        return with_security_headers(json_response({"error": "Endpoint not available"}, problem.status))
    code, sentence = CODES.get(problem.code, (problem.code.upper(), None))
    body: dict[str, Any] = {"success": False, "error": sentence or problem.detail, "code": code}
    if sentence and sentence != problem.detail:
        body["details"] = problem.detail
    if problem.code == "insufficient_credits":
        body |= _shortfall(problem.details)
    body |= {"timestamp": timestamp(), "requestId": REQUEST_ID.get()}
    if errors := problem.details.get("errors"):
        body["validationErrors"] = errors
    response = problem.respond(body, STATUS_CODES.get(problem.code, problem.status))
    return with_security_headers(response)


def with_security_headers(response: Response) -> Response:
    """The response with the security headers of seed 002."""
    response.headers.update(SECURITY_HEADERS)
    return response


def render_accepted(generation: NewGeneration) -> Response:
    """The 201 (002.2)."""
    data = {
        "_id": str(generation.id),
        "status": "pending",
        "estimatedCost": generation.price,
        "estimatedTime": ESTIMATED_TIMES[generation.request["quality"]],
        "queuePosition": generation.request["queuePosition"],
    }
    return with_security_headers(json_response({"success": True, "data": data}, 201))


def generation_view(generation: Generation, objects: ObjectStore, place: int | None = None) -> dict[str, Any]:
    """A generation as the form's user sees it; result URLs are signed as they are read, for 15 minutes."""
    snapshot, fields = generation.snapshot, generation.request
    status = STATUSES[snapshot.state]
    results = [objects.presign_get(output["key"], PRESIGN_S_MAX) for output in snapshot.outputs]
    models = fields.get("modelImages", [])
    return {
        "_id": str(generation.id),
        "status": status,
        "progress": snapshot.progress,
        "estimatedCost": generation.price,
        "estimatedTime": ESTIMATED_TIMES[fields["quality"]],
        "queuePosition": place,
        "tokensUsed": snapshot.credits_captured,
        "prompt": fields["prompt"],
        "parameters": {
            **{name: fields[name] for name in ("model", "style", "quality", "aspectRatio")},
            **fields["parameters"],
        },
        "productImageUrl": fields["productImages"][0],
        "modelImageUrl": models[0] if models else None,
        "resultImageUrl": results[0] if results else None,
        "productImages": fields["productImages"],
        "modelImages": models,
        "resultImages": results,
        "error": (snapshot.error or {}).get("message", snapshot.state) if status == "failed" else None,
        "createdAt": generation.created_at.isoformat(),
        "updatedAt": generation.updated_at.isoformat(),
    }


def timestamp() -> str:
    """Now, as JavaScript's ``toISOString`` writes it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _shortfall(details: Mapping[str, Any]) -> dict[str, str]:
    required, available = details["required"], details.get("available")
    if available is None:
        return {"error": f"Insufficient tokens. Required: {required}"}
    return {
        "error": f"Insufficient tokens. Required: {required}, Available: {available}",
        "details": f"You need {required - available} more tokens to proceed.",
    }


def option_problem(found: UnsupportedOption) -> Problem:
    field = "aspectRatio" if found.field == "size" else found.field
    return Problem("model_unsuitable", f"{field}: {found.message}.")


RESPONSES = SurfaceResponses(SURFACE, CREATE, render_accepted, render_problem, option_problem)

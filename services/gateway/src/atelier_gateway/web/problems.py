"""Every refusal a client can get, once: its code, its status, its title. A surface only chooses the shape.

The native shape is RFC 9457 problem+json; ``type`` is a stable URI made of the code.
"""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from starlette.responses import Response

PROBLEM_ROOT = "https://atelier.example/problems"
PROBLEM_JSON = "application/problem+json"


class Kind(NamedTuple):
    """What all problems of one code have in common."""

    status: int
    title: str


KINDS: Mapping[str, Kind] = {
    "invalid_request": Kind(400, "The request is not valid"),
    "invalid_idempotency_key": Kind(400, "The Idempotency-Key is not valid"),
    "invalid_size": Kind(400, "The model does not make this size"),
    "workspace_required": Kind(400, "A workspace is required"),
    "invalid_image": Kind(400, "A picture cannot be used"),
    "model_unsuitable": Kind(400, "The model cannot do this"),
    "content_refused": Kind(400, "The content rules do not allow this"),
    "invalid_input": Kind(400, "An input cannot be used"),
    "simulator_off": Kind(400, "This installation does not simulate"),
    "unauthorized": Kind(401, "A valid credential is required"),
    "insufficient_credits": Kind(402, "Not enough credits"),
    "account_disabled": Kind(403, "The account is disabled"),
    "workspace_forbidden": Kind(403, "Not a member of this workspace"),
    "role_required": Kind(403, "The role does not allow this"),
    "not_found": Kind(404, "Not found"),
    "model_not_found": Kind(404, "There is no such model"),
    "method_not_allowed": Kind(405, "The method is not allowed here"),
    "request_timeout": Kind(408, "The request body came too slowly"),
    "conflict": Kind(409, "The request contradicts what is there"),
    "cancelled": Kind(409, "The generation was cancelled"),
    "request_in_progress": Kind(409, "A request with this Idempotency-Key is still in progress"),
    "request_too_large": Kind(413, "The request body is too large"),
    "idempotency_key_reused": Kind(422, "The Idempotency-Key was used for another request"),
    "unpriced": Kind(422, "The price book has no price for this"),
    "rate_limited": Kind(429, "Too many requests"),
    "uploads_full": Kind(429, "Too many unused uploads"),
    "tenant_queue_full": Kind(429, "Too much of yours is waiting already"),
    "internal_error": Kind(500, "Something went wrong on our side"),
    "queue_full": Kind(503, "The queue is full"),
    "provider_failed": Kind(503, "It could not be made"),
    "deadline_passed": Kind(503, "It was not made in time"),
    "provider_unavailable": Kind(503, "Its provider is not set up here"),
    "unavailable": Kind(503, "Cannot be done right now"),
    "endpoint_off": Kind(503, "Switched off here"),
    "outcome_unknown": Kind(503, "It is not known yet whether the request was accepted"),
}


class Problem(Exception):
    """A refusal on its way to the client. All of it is shown: it holds nothing that a client must not see."""

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        details: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """``details`` become further members of the reply, ``headers`` further headers."""
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail
        self.details = dict(details or {})
        self.headers = dict(headers or {})

    @property
    def status(self) -> int:
        """The HTTP status, the same on every surface that does not say otherwise."""
        return KINDS[self.code].status


def not_found(what: str = "resource") -> Problem:
    """The one answer for an unknown id, a malformed id and another tenant's id."""
    return Problem("not_found", f"There is no such {what}.")


def problem_json(problem: Problem) -> Response:
    """RFC 9457."""
    body = {
        "type": f"{PROBLEM_ROOT}/{problem.code}",
        "title": KINDS[problem.code].title,
        "status": problem.status,
        "detail": problem.detail,
        "code": problem.code,
        **problem.details,
    }
    return Response(json.dumps(body, separators=(",", ":")), problem.status, problem.headers, PROBLEM_JSON)


def of_status(status: int) -> Problem:
    """For what the framework refuses before a route of ours is asked."""
    match status:
        case 401:
            return Problem("unauthorized", "A valid bearer token is required.")
        case 404:
            return not_found("route")
        case 405:
            return Problem("method_not_allowed", "This route does not take that method.")
        case _:
            return Problem("invalid_request", "The request cannot be read.")

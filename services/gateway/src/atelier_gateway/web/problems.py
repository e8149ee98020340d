"""Every refusal a client can get, once: its code, its status, its title. A surface only chooses the shape.

The native shape is RFC 9457 problem+json; ``type`` is a stable URI made of the code.
"""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from starlette.responses import Response

PROBLEM_ROOT = "https://atelier.example/problems"
PROBLEM_JSON = "application/problem+json"


class ProblemType(NamedTuple):
    """What all problems of one code have in common."""

    status: int
    title: str


PROBLEM_TYPES: Mapping[str, ProblemType] = {
    "invalid_request": ProblemType(400, "The request is not valid"),
    "invalid_idempotency_key": ProblemType(400, "The Idempotency-Key is not valid"),
    "invalid_size": ProblemType(400, "The model does not make this size"),
    "workspace_required": ProblemType(400, "A workspace is required"),
    "invalid_image": ProblemType(400, "A picture cannot be used"),
    "model_unsuitable": ProblemType(400, "The model cannot do this"),
    "content_refused": ProblemType(400, "The content rules do not allow this"),
    "invalid_input": ProblemType(400, "An input cannot be used"),
    "simulator_off": ProblemType(400, "This installation does not simulate"),
    "unauthorized": ProblemType(401, "A valid credential is required"),
    "insufficient_credits": ProblemType(402, "Not enough credits"),
    "token_cap_reached": ProblemType(402, "The cap of the client token is reached"),
    "cap_exceeded": ProblemType(402, "A cap leaves too little room"),
    "account_disabled": ProblemType(403, "The account is disabled"),
    "workspace_forbidden": ProblemType(403, "Not a member of this workspace"),
    "role_required": ProblemType(403, "The role does not allow this"),
    "token_scope": ProblemType(403, "The client token does not allow this"),
    "origin_refused": ProblemType(403, "The client token is not for this origin"),
    "not_found": ProblemType(404, "Not found"),
    "model_not_found": ProblemType(404, "There is no such model"),
    "method_not_allowed": ProblemType(405, "The method is not allowed here"),
    "request_timeout": ProblemType(408, "The request body arrived too slowly"),
    "conflict": ProblemType(409, "The request conflicts with the current state"),
    "cancelled": ProblemType(409, "The generation was cancelled"),
    "request_in_progress": ProblemType(409, "A request with this Idempotency-Key is still in progress"),
    "request_too_large": ProblemType(413, "The request body is too large"),
    "idempotency_key_reused": ProblemType(422, "The Idempotency-Key was used for another request"),
    "quote_refused": ProblemType(422, "The quote does not hold for this request"),
    "unpriced": ProblemType(422, "The price book has no price for this"),
    "spend_limit_exceeded": ProblemType(422, "The price is above the spend limit of the request"),
    "rate_limited": ProblemType(429, "Too many requests"),
    "uploads_full": ProblemType(429, "Too many unused uploads"),
    "tenant_queue_full": ProblemType(429, "Too many pending generations"),
    "internal_error": ProblemType(500, "Internal error"),
    "queue_full": ProblemType(503, "The queue is full"),
    "provider_failed": ProblemType(503, "Generation failed"),
    "deadline_passed": ProblemType(503, "Generation deadline passed"),
    "provider_unavailable": ProblemType(503, "Provider not configured"),
    "unavailable": ProblemType(503, "Temporarily unavailable"),
    "endpoint_off": ProblemType(503, "Endpoint disabled"),
    "outcome_unknown": ProblemType(503, "Unknown whether the request was accepted"),
}


class Problem(Exception):
    """An error response. All of it is shown to the client, so it holds no internal details."""

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
        return PROBLEM_TYPES[self.code].status

    def respond(self, body: object, status: int | None = None) -> Response:
        """This refusal as a JSON response with its headers; ``body`` is how a surface words it."""
        content = json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()
        return Response(content, status or self.status, self.headers, "application/json")


def field_problem(field: str, why: str, code: str = "invalid_request") -> Problem:
    """A problem about one field: 400 unless the code has another status."""
    return Problem(code, f"{field}: {why}", details={"errors": [{"field": field, "message": why}]})


def problem_at(where: str, problem: Problem) -> Problem:
    """The same problem of a part of the request, its fields named by their place: ``where`` begins them."""
    errors = [error | {"field": where + error["field"]} for error in problem.details.get("errors", [])]
    return Problem(problem.code, where + problem.detail, details={"errors": errors} if errors else None)


def credential_problem() -> Problem:
    """The one answer for a missing, unknown, malformed, expired and revoked credential."""
    return Problem(
        "unauthorized", "The credential is missing, unknown or no longer valid.", headers={"WWW-Authenticate": "Bearer"}
    )


def not_found(what: str = "resource") -> Problem:
    """The one answer for an unknown id, a malformed id and another tenant's id."""
    return Problem("not_found", f"There is no such {what}.")


def problem_json(problem: Problem) -> Response:
    """RFC 9457."""
    body = {
        "type": f"{PROBLEM_ROOT}/{problem.code}",
        "title": PROBLEM_TYPES[problem.code].title,
        "status": problem.status,
        "detail": problem.detail,
        "code": problem.code,
        **problem.details,
    }
    return Response(json.dumps(body, separators=(",", ":")), problem.status, problem.headers, PROBLEM_JSON)


def problem_for_status(status: int) -> Problem:
    """For what the framework refuses before a route of ours runs."""
    match status:
        case 401:
            return Problem("unauthorized", "A valid bearer token is required.")
        case 404:
            return not_found("route")
        case 405:
            return Problem("method_not_allowed", "This route does not take that method.")
        case _:
            return Problem("invalid_request", "The request cannot be read.")

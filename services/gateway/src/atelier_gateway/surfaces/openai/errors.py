"""Renders problems in OpenAI's error shape, so that its client raises the exception its users expect."""

from collections.abc import Mapping
from typing import NamedTuple

from starlette.responses import Response

from atelier_gateway.web.problems import Problem


class OpenAIError(NamedTuple):
    """A problem in OpenAI's words. ``status`` only where it is not ours."""

    type: str
    code: str | None
    status: int | None = None
    retry: bool = True
    """Its client retries 409, 429 and 5xx by itself unless a header forbids it."""


ERRORS: Mapping[str, OpenAIError] = {
    "invalid_request": OpenAIError("invalid_request_error", "invalid_value"),
    "content_refused": OpenAIError("invalid_request_error", "content_policy_violation", retry=False),
    "invalid_input": OpenAIError("invalid_request_error", "invalid_input", retry=False),
    "cancelled": OpenAIError("invalid_request_error", "cancelled", retry=False),
    "unauthorized": OpenAIError("invalid_request_error", "invalid_api_key"),
    "insufficient_credits": OpenAIError("insufficient_quota", "insufficient_quota", 429, retry=False),
    "cap_exceeded": OpenAIError("insufficient_quota", "billing_hard_limit_reached", 429, retry=False),
    "rate_limited": OpenAIError("requests", "rate_limit_exceeded"),
    "tenant_queue_full": OpenAIError("requests", "rate_limit_exceeded"),
    "queue_full": OpenAIError("server_error", "queue_full"),
    "not_found": OpenAIError("invalid_request_error", "unknown_url"),
    "internal_error": OpenAIError("server_error", None),
    "unavailable": OpenAIError("server_error", "unavailable"),
    "provider_failed": OpenAIError("server_error", "provider_failed"),
    "deadline_passed": OpenAIError("server_error", "deadline_passed", retry=False),
    "provider_unavailable": OpenAIError("server_error", "provider_unavailable", retry=False),
    "outcome_unknown": OpenAIError("server_error", "outcome_unknown", retry=False),
}
"""Every other problem is an ``invalid_request_error`` under our own code."""


def render_problem(problem: Problem) -> Response:
    """``{"error": {"message", "type", "param", "code"}}``."""
    known = _openai_error_of(problem)
    response = problem.respond({"error": error_view(problem)}, known.status or problem.status)
    if not known.retry:
        response.headers["x-should-retry"] = "false"
    return response


def error_view(problem: Problem) -> dict[str, str | None]:
    """``{"message", "type", "param", "code"}``."""
    known, errors = _openai_error_of(problem), problem.details.get("errors")
    param = errors[0]["field"] if errors else None
    return {"message": problem.detail, "type": known.type, "param": param, "code": known.code}


def status_of(problem: Problem) -> int:
    """The HTTP status that OpenAI's clients expect of it."""
    return _openai_error_of(problem).status or problem.status


def _openai_error_of(problem: Problem) -> OpenAIError:
    return ERRORS.get(problem.code, OpenAIError("invalid_request_error", problem.code))

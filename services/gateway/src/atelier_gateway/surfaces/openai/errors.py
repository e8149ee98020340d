"""Our refusals in OpenAI's error shape, so that its client raises the exception its users expect."""

from collections.abc import Mapping
from typing import NamedTuple

from starlette.responses import Response

from atelier_gateway.web.json_bodies import json_response
from atelier_gateway.web.problems import Problem


class Worded(NamedTuple):
    """A refusal in OpenAI's words. ``status`` only where it is not ours."""

    type: str
    code: str | None
    status: int | None = None
    retry: bool = True
    """Its client repeats 409, 429 and 5xx by itself unless it is told not to."""


WORDS: Mapping[str, Worded] = {
    "invalid_request": Worded("invalid_request_error", "invalid_value"),
    "content_refused": Worded("invalid_request_error", "content_policy_violation", retry=False),
    "invalid_input": Worded("invalid_request_error", "invalid_input", retry=False),
    "cancelled": Worded("invalid_request_error", "cancelled", retry=False),
    "unauthorized": Worded("invalid_request_error", "invalid_api_key"),
    "insufficient_credits": Worded("insufficient_quota", "insufficient_quota", 429, retry=False),
    "rate_limited": Worded("requests", "rate_limit_exceeded"),
    "tenant_queue_full": Worded("requests", "rate_limit_exceeded"),
    "queue_full": Worded("server_error", "queue_full"),
    "not_found": Worded("invalid_request_error", "unknown_url"),
    "internal_error": Worded("server_error", None),
    "unavailable": Worded("server_error", "unavailable"),
    "provider_failed": Worded("server_error", "provider_failed"),
    "deadline_passed": Worded("server_error", "deadline_passed", retry=False),
    "provider_unavailable": Worded("server_error", "provider_unavailable", retry=False),
    "outcome_unknown": Worded("server_error", "outcome_unknown", retry=False),
}
"""Every other refusal is an ``invalid_request_error`` under our own code."""


def problem(refusal: Problem) -> Response:
    """``{"error": {"message", "type", "param", "code"}}``."""
    worded = WORDS.get(refusal.code, Worded("invalid_request_error", refusal.code))
    errors = refusal.details.get("errors")
    error = {
        "message": refusal.detail,
        "type": worded.type,
        "param": errors[0]["field"] if errors else None,
        "code": worded.code,
    }
    response = json_response({"error": error}, worded.status or refusal.status)
    response.headers.update(refusal.headers)
    if not worded.retry:
        response.headers["x-should-retry"] = "false"
    return response

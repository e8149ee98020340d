"""How a surface that waited answers for a generation that brought nothing: whose fault it was, and what to do.

One table for every waiting surface; each only words it. Nothing of what is answered here was charged.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from atelier_gateway.projection.snapshot import Snapshot
from atelier_gateway.projection.store import Generation
from atelier_gateway.web.problems import Problem


class FailureRule(NamedTuple):
    """The problem's code, and after how many seconds the same request may be sent again; None: not again."""

    problem: str
    retry_after_s: int | None = None


CONTENT_REFUSED, INVALID_INPUT = "content_refused", "invalid_input"
FAULTS_OF_THE_REQUEST = (CONTENT_REFUSED, INVALID_INPUT)
RETRY_AFTER_S = 1
PROVIDER_FAILED = FailureRule("provider_failed", RETRY_AFTER_S)
FAILURE_RULES: Mapping[str, FailureRule] = {
    "refused": FailureRule(CONTENT_REFUSED),
    "invalid_input": FailureRule(INVALID_INPUT),
    "provider_failed": PROVIDER_FAILED,
    "provider_timeout": PROVIDER_FAILED,
    "provider_unavailable": PROVIDER_FAILED,
    "unknown_outcome": PROVIDER_FAILED,
    "deadline_passed": FailureRule("deadline_passed"),
    "not_started": FailureRule("deadline_passed"),
    "delivery_failed": PROVIDER_FAILED,
    "cancelled": FailureRule("cancelled"),
}
"""By the generation's ``error.code``, or the state where it has no error. A code that is not here is a provider's."""


class FieldNames(NamedTuple):
    """What a surface calls the words and the pictures of a request, for naming what has to change."""

    prompt: str | None
    picture: str


def failure_rule_of(snapshot: Snapshot) -> FailureRule:
    """The row of the table for a generation that has ended without a result."""
    code = (snapshot.error or {}).get("code") or snapshot.state
    return FAILURE_RULES.get("deadline_passed" if snapshot.state == "expired" else str(code), PROVIDER_FAILED)


def problem_of(generation: Generation, fields: FieldNames, **details: Any) -> Problem:
    """Why there is no result, as the surface raises it; its record stays readable."""
    ending, why = failure_rule_of(generation.snapshot), _reason(generation.snapshot)
    if ending.problem in FAULTS_OF_THE_REQUEST:
        details |= {"errors": [{"field": _field(generation, ending, fields), "message": why}]}
    wait = {} if ending.retry_after_s is None else {"Retry-After": str(ending.retry_after_s)}
    return Problem(ending.problem, f"{why}. Nothing is charged.", details=details, headers=wait)


def _reason(snapshot: Snapshot) -> str:
    """The reason, in the words of the service that ended it."""
    why = str((snapshot.error or {}).get("message", f"the generation was {snapshot.state}")).rstrip(".")
    return f"{why[:1].upper()}{why[1:]}"


def _field(generation: Generation, ending: FailureRule, fields: FieldNames) -> str:
    """The rules of content judge the words first; what cannot be used is a picture, where one was given."""
    asked = generation.request
    prompt = fields.prompt if asked.get("prompt") else None
    has_pictures = any(name in asked for name in ("inputs", "image", "photos"))
    if ending.problem == CONTENT_REFUSED:
        return prompt or fields.picture
    return fields.picture if has_pictures or prompt is None else prompt

"""How an error of each status looks on each surface, for the examples of the OpenAPI document."""

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from atelier_gateway.surfaces import shape_of
from atelier_gateway.surfaces.openapi_examples import AT, ID
from atelier_gateway.web.openapi_responses import CAP
from atelier_gateway.web.problems import PROBLEM_TYPES, Problem

USUAL = (
    *("invalid_request", "unauthorized", "insufficient_credits", "account_disabled", "not_found"),
    *("request_in_progress", "request_too_large", "idempotency_key_reused", "rate_limited", "internal_error"),
    *("unavailable",),
)
"""Of the codes with one status, the one that most routes can answer."""
DETAILS: Mapping[str, Mapping[str, Any]] = {
    "invalid_request": {"errors": [{"field": "prompt", "message": "a text is required"}]},
    "insufficient_credits": {"required": 10, "available": 4},
    "cap_exceeded": {"required": 10, "cap": CAP},
    "rate_limited": {"retry_after_s": 30},
}
SENTENCES: Mapping[str, str] = {
    "invalid_request": "prompt: a text is required",
    "insufficient_credits": "10 credits required, 4 available.",
    "not_found": "There is no such generation.",
}
OF_THE_MOMENT: Mapping[str, str] = {"timestamp": AT, "requestId": ID}
"""Fields of an error that differ each time; the document does not."""


@cache
def error_example(path: str, status: int) -> object:
    """The body of an error with this status at this path, None where the surface has none."""
    shape = shape_of(path)
    for code in (*USUAL, *PROBLEM_TYPES):
        problem = Problem(code, SENTENCES.get(code, f"{PROBLEM_TYPES[code].title}."), details=DETAILS.get(code))
        response = shape(problem)
        if response.status_code == status:
            body = json.loads(bytes(response.body))
            return body | {name: value for name, value in OF_THE_MOMENT.items() if name in body}
    return None

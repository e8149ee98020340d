"""How a request is refused before the protocol reads it: the HTTP status, and a JSON-RPC error without an id."""

import json
from typing import Any

from starlette.responses import Response

from atelier_gateway.web.problems import Problem, problem_json

INVALID_REQUEST = -32_600
INTERNAL_ERROR = -32_603
"""Codes of JSON-RPC 2.0."""


def problem_object(problem: Problem) -> dict[str, Any]:
    """The problem as the native surface words it (RFC 9457)."""
    body: dict[str, Any] = json.loads(bytes(problem_json(problem).body))
    return body


def render_problem(problem: Problem) -> Response:
    """An error response of the transport; ``data`` is the problem."""
    code = INTERNAL_ERROR if problem.status >= 500 else INVALID_REQUEST
    error = {"code": code, "message": f"{problem.code}: {problem.detail}", "data": problem_object(problem)}
    return problem.respond({"jsonrpc": "2.0", "id": None, "error": error})

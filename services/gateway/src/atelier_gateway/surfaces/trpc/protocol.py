"""tRPC's HTTP protocol: the calls of a request, and the envelopes with their results and errors."""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from starlette.responses import Response

from atelier_gateway.web.problems import Problem

PREFIX = "/api/trpc"
SURFACE = "trpc"
CallResult = tuple[int, dict[str, Any]]
"""A status and what tRPC calls an envelope: ``{"result"}`` or ``{"error"}``."""


class Call(NamedTuple):
    """One procedure call of a request."""

    path: str
    input: Any


def parse_calls(paths: str, text: str | None, *, batched: bool) -> list[Call]:
    """The calls of a request. Raises Problem 400 where the input is not JSON."""
    try:
        data = json.loads(text) if text else None
    except (ValueError, RecursionError):
        raise Problem("invalid_request", "The input is not JSON, or nested too deeply.") from None
    if not batched:
        return [Call(paths, data)]
    inputs = data if isinstance(data, dict) else {}
    return [Call(name, inputs.get(str(number))) for number, name in enumerate(paths.split(","))]


class Code(NamedTuple):
    """tRPC's name of a status, and its JSON-RPC number."""

    word: str
    number: int


CODES: Mapping[int, Code] = {
    400: Code("BAD_REQUEST", -32600),
    401: Code("UNAUTHORIZED", -32001),
    402: Code("PAYMENT_REQUIRED", -32002),
    403: Code("FORBIDDEN", -32003),
    404: Code("NOT_FOUND", -32004),
    405: Code("METHOD_NOT_SUPPORTED", -32005),
    409: Code("CONFLICT", -32009),
    413: Code("PAYLOAD_TOO_LARGE", -32013),
    422: Code("UNPROCESSABLE_CONTENT", -32022),
    429: Code("TOO_MANY_REQUESTS", -32029),
    500: Code("INTERNAL_SERVER_ERROR", -32603),
    503: Code("SERVICE_UNAVAILABLE", -32603),
}


def result_envelope(data: object) -> dict[str, Any]:
    """The envelope of a result."""
    return {"result": {"data": data}}


def error_result(problem: Problem, path: str | None = None) -> CallResult:
    """Status and envelope of an error; ``path`` is the procedure's."""
    code = CODES[problem.status]
    data = {"code": code.word, "httpStatus": problem.status} | ({"path": path} if path else {})
    return problem.status, {"error": {"message": problem.detail, "code": code.number, "data": data}}


def render_problem(problem: Problem) -> Response:
    """A problem outside of any call, in tRPC's shape."""
    status, envelope = error_result(problem)
    return problem.respond(envelope, status)

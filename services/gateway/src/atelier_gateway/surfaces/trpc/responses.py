"""tRPC's envelopes: what a call answers, as a result or as an error, with tRPC's words for our statuses."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from starlette.responses import Response

from atelier_gateway.web.json_bodies import json_response
from atelier_gateway.web.problems import Problem

PREFIX = "/api/trpc"
SURFACE = "trpc"


class Code(NamedTuple):
    """tRPC's word for a status, and its JSON-RPC number."""

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

Answered = tuple[int, dict[str, Any]]
"""A status and what tRPC calls an envelope: ``{"result"}`` or ``{"error"}``."""


def result(data: object) -> dict[str, Any]:
    """The envelope of a call that worked."""
    return {"result": {"data": data}}


def refused(refusal: Problem, path: str | None = None) -> Answered:
    """The envelope of a call that did not; ``path`` is the procedure's."""
    code = CODES[refusal.status]
    data = {"code": code.word, "httpStatus": refusal.status} | ({"path": path} if path else {})
    return refusal.status, {"error": {"message": refusal.detail, "code": code.number, "data": data}}


def problem(refusal: Problem) -> Response:
    """A refusal outside of any call, in tRPC's shape."""
    status, envelope = refused(refusal)
    response = json_response(envelope, status)
    response.headers.update(refusal.headers)
    return response

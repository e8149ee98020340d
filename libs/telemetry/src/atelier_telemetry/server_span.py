"""The server span of one HTTP request, for routes that are answered in front of the framework, which makes the others.

Attributes as OpenTelemetry's conventions for HTTP name them. A request that is not recorded pays for its ids alone.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from opentelemetry import context
from opentelemetry.context import Context
from opentelemetry.trace import StatusCode, set_span_in_context
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from atelier_telemetry.attributes import GENERATION_ID
from atelier_telemetry.tracing import REDACTED, Span, SpanKind, generation_in, parent_from, tracer

TRACEPARENT = b"traceparent"
DEFAULT_PORTS = {"http": 80, "https": 443}
_spans = tracer(__name__)


async def trace_request(app: ASGIApp, route: str, scope: Scope, receive: Receive, send: Send) -> None:
    """Calls ``app`` in a span named by method and route (a template such as ``/v1/generations/{id}``), as a child of
    the request's ``traceparent`` where it has a valid one."""
    parent = _parent_of(scope)
    span = _spans.start_span(f"{scope['method']} {route}", parent, SpanKind.SERVER)
    token = context.attach(set_span_in_context(span, parent))
    try:
        if span.is_recording():
            await _record(span, app, route, scope, receive, send)
        else:
            await app(scope, receive, send)
    finally:
        context.detach(token)
        span.end()


async def _record(span: Span, app: ASGIApp, route: str, scope: Scope, receive: Receive, send: Send) -> None:
    span.set_attributes(_attributes_of(scope, route))

    async def observe(message: Message) -> None:
        if message["type"] == "http.response.start":
            _record_status(span, message["status"])
        await send(message)

    try:
        await app(scope, receive, observe)
    except BaseException as error:
        span.set_attribute("error.type", type(error).__qualname__)
        span.set_status(StatusCode.ERROR)
        raise


def _record_status(span: Span, status: int) -> None:
    span.set_attribute("http.response.status_code", status)
    if status >= 500:
        span.set_attribute("error.type", str(status))
        span.set_status(StatusCode.ERROR)


def _parent_of(scope: Scope) -> Context:
    for name, value in scope["headers"]:
        if name == TRACEPARENT:
            return parent_from(value.decode("latin-1"))
    return Context()


def _attributes_of(scope: Scope, route: str) -> Mapping[str, Any]:
    address, port = _server_of(scope)
    known = {
        "http.request.method": scope["method"],
        "http.route": route,
        "url.scheme": scope.get("scheme", "http"),
        "url.path": scope["path"],
        "network.protocol.version": scope.get("http_version"),
        "server.address": address,
        "server.port": port,
        # A credential put into a query by mistake must not reach the collector.
        "url.query": REDACTED if scope.get("query_string") else None,
        GENERATION_ID: generation_in(scope["path"]),
    }
    return {name: value for name, value in known.items() if value is not None}


def _server_of(scope: Scope) -> tuple[str | None, int | None]:
    """Host and port as the client named them; neither where its Host header is malformed."""
    authority = Headers(scope=scope).get("host")
    if authority is None:
        host, port = scope.get("server") or (None, None)
        return host, port
    try:
        url = urlsplit(f"//{authority}")
        return url.hostname, url.port or DEFAULT_PORTS.get(scope.get("scheme", "http"))
    except ValueError:
        return None, None

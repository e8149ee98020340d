"""The outermost layer: a request id, security headers on every answer, an access line, a cap on bodies, and no leak of
what went wrong.

Pure ASGI: it stands in the way of every request, so it allocates little and awaits nothing of its own.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping

from opentelemetry import trace
from prometheus_client import Counter
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uuid_utils import uuid7

from atelier_gateway.middleware.body_limits import BodyBudget, BodyReader
from atelier_gateway.web.problems import Problem
from atelier_gateway.web.request_facts import REQUEST_FACTS, RequestFacts
from atelier_gateway.web.request_id import REQUEST_ID
from atelier_messaging import is_outage
from atelier_telemetry import metrics
from atelier_telemetry.tracing import SpanKind, keep_failure

SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-site",
    "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
    "Cache-Control": "no-store",
}
_SECURITY_HEADERS = [(name.lower().encode(), value.encode()) for name, value in SECURITY_HEADERS.items()]
REQUEST_ID_NAME = b"x-request-id"
UNLOGGED = ("/health/", "/metrics")
"""Paths of probes: too frequent and too dull for an access line."""
SERVER_ERRORS = (500, 502, 503, 504)
SERVER_ERRORS_FROM = 500
RenderProblem = Callable[[Problem], Response]
NoteRefusal = Callable[[Scope, str, RequestFacts, str], None]
"""Of a request's scope, surface, facts and id."""
logger = logging.getLogger(__name__)
access = logging.getLogger("atelier_gateway.access")


class RequestGuard:
    """Wraps the application. ``shape_of`` gives the error format of the surface at a path."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        body_bytes_max: int,
        shape_of: Callable[[str], RenderProblem],
        surface_of: Callable[[str], str],
        larger: Mapping[str, int] | None = None,
        bodies_bytes_max: int = 1 << 40,
        note_refusal: NoteRefusal | None = None,
        surfaces: Iterable[str] = (),
    ) -> None:
        """``larger``: how many bytes a body may have at these very paths, whose bodies carry pictures;
        ``bodies_bytes_max``: how many all bodies of this process may hold at once; ``note_refusal`` gets each
        request that was answered with a problem; ``surfaces``: all that there are."""
        self._app = app
        self._bytes_max = body_bytes_max
        self._larger = larger or {}
        self._budget = BodyBudget(bodies_bytes_max)
        self._note_refusal = note_refusal
        self._shape_of = shape_of
        self._surface_of = surface_of
        self._counters: dict[tuple[str, int], Counter] = {}
        for surface in surfaces:
            for status in SERVER_ERRORS:  # at 0, so that the first is an increase
                metrics.REQUESTS.labels(surface, str(status))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        request_id, surface = str(uuid7()), self._surface_of(scope["path"])
        REQUEST_ID.set(request_id)
        REQUEST_FACTS.set(facts := RequestFacts())
        began, began_ns = time.monotonic(), time.time_ns()
        started = False
        status: int | None = None

        async def send_framed(message: Message) -> None:
            nonlocal started, status
            if message["type"] == "http.response.start":
                started, status = True, message["status"]
                message["headers"] = framed(message["headers"], request_id)
                self._count(surface, message["status"])
                if message["status"] >= SERVER_ERRORS_FROM:
                    _keep_failure(scope, message["status"], began_ns)
            await send(message)

        metrics.REQUESTS_OPEN.inc()
        body = BodyReader(receive, self._larger.get(scope["path"], self._bytes_max), self._budget)
        try:
            await self._app(scope, body.receive, send_framed)
        except asyncio.CancelledError:
            # The server ends and no longer waits for this request; a bare 500 would be all that its client sees.
            if started:
                raise
            await self._shape_of(scope["path"])(_stop_problem(scope["method"]))(scope, receive, send_framed)
        except ClientDisconnect:
            pass  # No client is there to be answered and nothing of ours failed: the access line says so.
        except Exception as error:
            if started:
                raise
            await self._shape_of(scope["path"])(unexpected_error_problem(error))(scope, receive, send_framed)
        finally:
            metrics.REQUESTS_OPEN.dec()
            body.close()
            if facts.problem is not None and self._note_refusal is not None:
                self._note_refusal(scope, surface, facts, request_id)
            _log_access(scope, request_id, surface, status, time.monotonic() - began)

    def _count(self, surface: str, status: int) -> None:
        counter = self._counters.get((surface, status))
        if counter is None:
            counter = self._counters[surface, status] = metrics.REQUESTS.labels(surface, str(status))
        counter.inc()


def _keep_failure(scope: Scope, status: int, began_ns: int) -> None:
    """Of a request whose trace is not recorded, too: the path, for the route is known further inside alone."""
    span = trace.get_current_span()
    if not span.is_recording():
        of_this = {
            "http.request.method": scope["method"],
            "url.path": scope["path"],
            "http.response.status_code": status,
        }
        name, kind = f"{scope['method']} {status}", SpanKind.SERVER
        keep_failure(span, name, str(status), kind=kind, attributes=of_this, began_ns=began_ns)


def framed(headers: Iterable[tuple[bytes, bytes]], request_id: str) -> list[tuple[bytes, bytes]]:
    """The headers of an answer with its request's id, and with each security header that it does not set itself."""
    framed = [header for header in headers if header[0] != REQUEST_ID_NAME]
    own = {name for name, _ in framed}
    framed.append((REQUEST_ID_NAME, request_id.encode()))
    framed.extend(header for header in _SECURITY_HEADERS if header[0] not in own)
    return framed


def _log_access(scope: Scope, request_id: str, surface: str, status: int | None, seconds: float) -> None:
    """One line a request, with the id that its client was given; never the query, where credentials get lost."""
    method, path = scope["method"], scope["path"]
    if path.startswith(UNLOGGED):
        return
    fields = {"request_id": request_id, "method": method, "path": path, "status": status}
    fields |= {"surface": surface, "seconds": round(seconds, 4)}
    access.info("%s %s: %s", method, path, status or "no answer, its client is gone", extra=fields)


def _stop_problem(method: str) -> Problem:
    """For a request that was not done when its server had to end."""
    if method in ("GET", "HEAD", "OPTIONS"):
        return Problem("unavailable", "This server is being stopped; send it again.", headers={"Retry-After": "1"})
    detail = "This server is being stopped. Look for what became of this request before you send another."
    return Problem("outcome_unknown", detail, headers={"Retry-After": "5"})


def unexpected_error_problem(error: Exception) -> Problem:
    """The client's view of an unexpected exception; all of it goes into our log. An outage is one line without a
    traceback: every request meets it, and the traceback would say nothing about its cause."""
    request_id = REQUEST_ID.get()
    if is_outage(error):
        logger.warning("request %s failed, answering 503: %r", request_id, error)
        return Problem("unavailable", "A part of this installation does not answer; try again later.")
    logger.error("request %s failed", request_id, exc_info=error)
    return Problem("internal_error", f"Ask the operator about request {request_id}.")

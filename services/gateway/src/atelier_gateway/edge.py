"""The outermost layer: a request id, security headers on every answer, a cap on bodies, and no leak of what went wrong.

Pure ASGI: it stands in the way of every request, so it allocates little and awaits nothing of its own.
"""

import logging
from collections.abc import Callable, Mapping
from contextvars import ContextVar

from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uuid_utils.compat import uuid7

from atelier_gateway.problems import Problem
from atelier_messaging import is_outage
from atelier_telemetry import metrics

SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-site",
    "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
    "Cache-Control": "no-store",
}
REQUEST_ID: ContextVar[str] = ContextVar("request_id", default="")
"""Of the request at work; also in its answer's ``X-Request-Id``."""
Shape = Callable[[Problem], Response]
logger = logging.getLogger(__name__)


class Edge:
    """Wraps the application. ``shape_of`` tells how the surface at a path words its errors."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        body_bytes_max: int,
        shape_of: Callable[[str], Shape],
        surface_of: Callable[[str], str],
        larger: Mapping[str, int] | None = None,
    ) -> None:
        """``larger``: how many bytes a body may have at these very paths, whose bodies carry pictures."""
        self._app = app
        self._bytes_max = body_bytes_max
        self._larger = larger or {}
        self._shape_of = shape_of
        self._surface_of = surface_of

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        request_id = str(uuid7())
        REQUEST_ID.set(request_id)
        started = False

        async def send_framed(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                headers["X-Request-Id"] = request_id
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
                metrics.REQUESTS.labels(self._surface_of(scope["path"]), str(message["status"])).inc()
            await send(message)

        try:
            await self._app(scope, self._capped(receive, self._larger.get(scope["path"], self._bytes_max)), send_framed)
        except ClientDisconnect:
            # Nobody is there to be answered, and nothing of ours failed.
            logger.info("request %s was given up by its client", request_id)
        except Exception as error:
            if started:
                raise
            logger.exception("request %s failed", request_id)
            problem = _away() if is_outage(error) else _surprise(request_id)
            await self._shape_of(scope["path"])(problem)(scope, receive, send_framed)

    def _capped(self, receive: Receive, bytes_max: int) -> Receive:
        """Counts the bytes as they come, whatever Content-Length says or hides."""
        seen = 0

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > bytes_max:
                raise Problem("request_too_large", f"A body has at most {bytes_max} bytes here.")
            return message

        return counted


def _away() -> Problem:
    return Problem("unavailable", "A part of this installation does not answer; try again later.")


def _surprise(request_id: str) -> Problem:
    return Problem("internal_error", f"Ask the operator about request {request_id}.")

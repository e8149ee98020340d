"""Which pages of other origins may call the API from a browser: those of the setting, and those that a client token is
for. By default none."""

import re
from collections.abc import Awaitable, Callable, Iterable
from typing import ClassVar

from fastapi import FastAPI
from starlette.datastructures import MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

METHODS = ("GET", "HEAD", "POST", "PATCH", "DELETE")
PREFLIGHT_S = 600
"""How long a browser may remember what it was allowed."""
_ORIGIN = re.compile(r"(?P<scheme>https?)://(?:[a-z0-9-]+(?:\.[a-z0-9-]+)*|\[[0-9a-f:]+\])(?P<port>:[1-9][0-9]{0,4})?")
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


def parse_origins(text: str) -> tuple[str, ...]:
    """Of ``ATELIER_CORS_ORIGINS``, comma-separated, as browsers write them. Raises ValueError."""
    origins = tuple(entry.strip() for entry in text.split(",") if entry.strip())
    for origin in origins:
        found = _ORIGIN.fullmatch(origin)
        if found is None or found["port"] == _DEFAULT_PORTS[found["scheme"]]:
            raise ValueError(
                f"{origin!r} is no origin, such as https://shop.example or http://localhost:5173: scheme and host in "
                "lower case, a port only where it is not the default one, no path and no pattern"
            )
    return origins


def origin_of(url: str) -> str:
    """The origin of pages at this URL of ours, as a browser writes it."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.partition('/')[0]}".lower().removesuffix(_DEFAULT_PORTS.get(scheme, "/"))


class OriginGrant:
    """In the scope of a request that a page of another origin sent: whether that page may read the answer."""

    KEY: ClassVar[str] = "atelier.origin_grant"
    __slots__ = ("is_allowed", "origin")

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.is_allowed = False


class TokenOrigins:
    """Middleware, the outermost: lets the pages call for which client tokens were made.

    A preflight is allowed from an origin of any token that is good now; an answer may be read where the token of its
    own request is for that origin: the code that authenticates the request says so in its ``OriginGrant``.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        others: tuple[str, ...],
        exposed: Iterable[str],
        is_known: Callable[[Scope, str], Awaitable[bool]],
    ) -> None:
        """``others``: origins that the setting names and Starlette's middleware serves."""
        self._app = app
        self._others = frozenset(others)
        self._exposed = ", ".join(exposed)
        self._is_known = is_known

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        origin = _header(scope, b"origin") if scope["type"] == "http" else None
        if origin is None or origin in self._others or not _ORIGIN.fullmatch(origin):
            return await self._app(scope, receive, send)
        if scope["method"] == "OPTIONS" and _header(scope, b"access-control-request-method") is not None:
            if await self._is_known(scope, origin):
                return await _preflight_answer(scope, origin)(scope, receive, send)
            return await self._app(scope, receive, send)
        grant = scope[OriginGrant.KEY] = OriginGrant(origin)

        async def send_granted(message: Message) -> None:
            if message["type"] == "http.response.start" and grant.is_allowed:
                headers = MutableHeaders(scope=message)
                headers["Access-Control-Allow-Origin"] = origin
                headers["Access-Control-Expose-Headers"] = self._exposed
                headers.add_vary_header("Origin")
            await send(message)

        await self._app(scope, receive, send_granted)


def _header(scope: Scope, name: bytes) -> str | None:
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), None)


def _preflight_answer(scope: Scope, origin: str) -> Response:
    headers = {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Allow-Methods": ", ".join(METHODS),
        "Access-Control-Max-Age": str(PREFLIGHT_S),
        "Vary": "Origin",
    }
    if asked := _header(scope, b"access-control-request-headers"):
        headers["Access-Control-Allow-Headers"] = asked
    return Response(status_code=204, headers=headers)


def allow_origins(
    app: FastAPI,
    origins: tuple[str, ...],
    *,
    exposed: Iterable[str],
    is_token_origin: Callable[[Scope, str], Awaitable[bool]],
) -> None:
    """Lets pages of these origins, and those of client tokens, call the API and read its answers with the ``exposed``
    headers.

    Without cookies: a page sends a key or a token. Any header may be sent: the origin decides, and stock clients add
    headers of their own.
    """
    if origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=origins,
            allow_methods=METHODS,
            allow_headers=["*"],
            expose_headers=list(exposed),
            max_age=PREFLIGHT_S,
        )
    app.add_middleware(TokenOrigins, others=origins, exposed=exposed, is_known=is_token_origin)

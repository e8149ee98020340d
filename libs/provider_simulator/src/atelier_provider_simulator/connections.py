"""Connections that can be cut from within: a server that dies after its work is done, as its client sees it."""

import asyncio
from typing import Any

from starlette.requests import Request
from uvicorn.protocols.http.h11_impl import H11Protocol

_ABORT = "atelier.abort"


class CuttableProtocol(H11Protocol):
    """Hands every request the means to abort its connection, as an ASGI extension."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        """Wraps the application for this connection."""
        super().connection_made(transport)
        app = self.app

        async def with_abort(scope: Any, receive: Any, send: Any) -> None:
            scope.setdefault("extensions", {})[_ABORT] = transport.abort
            await app(scope, receive, send)

        self.app = with_abort


async def cut_connection(request: Request) -> None:
    """Aborts the connection and waits until it is gone; no response reaches the client after that."""
    request.scope["extensions"][_ABORT]()
    await wait_for_hang_up(request)


async def wait_for_hang_up(request: Request) -> None:
    """Waits for the caller to go away. The request's body must have been read."""
    while (await request.receive())["type"] != "http.disconnect":
        pass

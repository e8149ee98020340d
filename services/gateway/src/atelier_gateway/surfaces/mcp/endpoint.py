"""The one HTTP endpoint of the protocol: who may use it is decided here, before the SDK reads a byte.

Every request stands alone: no session is kept, so any replica answers any request, and a client that was cut off sends
its request again.
"""

import asyncio
from importlib import import_module
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from atelier_gateway.container import Container
from atelier_gateway.web.problems import Problem

if TYPE_CHECKING:
    from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

PATH = "/mcp"
METADATA_PATH = f"/.well-known/oauth-protected-resource{PATH}"
BODY_BYTES_MAX = 25 * 1024 * 1024
"""As of a native create: pictures may come in the call."""


class McpEndpoint:
    """The ASGI application at ``/mcp``. Raises Problem; starts the protocol's server when it is first called."""

    def __init__(self, container: Container) -> None:
        self._container = container
        self._starting = asyncio.Lock()
        self._manager: StreamableHTTPSessionManager | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["method"] != "POST":
            return await Response(status_code=405, headers={"Allow": "POST"})(scope, receive, send)
        headers = Headers(scope=scope)
        self._check_origin(headers)
        scope.setdefault("state", {})["principal"] = await self._authenticate(headers)
        manager = self._manager or await self._start()
        await manager.handle_request(scope, receive, send)

    def _check_origin(self, headers: Headers) -> None:
        """Raises Problem 403 for a page that may not call us: its name may have been pointed at this address."""
        origin, settings = headers.get("Origin"), self._container.settings
        if origin is None:
            return
        public = urlsplit(settings.public_root)
        if origin not in (f"{public.scheme}://{public.netloc}", *settings.origins):
            raise Problem("role_required", f"Pages of {origin[:200]} may not call this server (ATELIER_CORS_ORIGINS).")

    async def _authenticate(self, headers: Headers) -> object:
        """The principal. Raises Problem 401, which says where to learn how to be let in; 403."""
        try:
            return await self._container.authenticator.authenticate(headers)
        except Problem as error:
            if error.status == 401:
                invalid = 'error="invalid_token", ' if "Authorization" in headers else ""
                address = f"{self._container.settings.public_root}{METADATA_PATH}"
                error.headers["WWW-Authenticate"] = f'Bearer {invalid}resource_metadata="{address}"'
            raise

    async def _start(self) -> "StreamableHTTPSessionManager":
        async with self._starting:
            if self._manager is None:
                # Importing the SDK takes most of a second: in a thread, so that other requests go on.
                server = await asyncio.to_thread(import_module, "atelier_gateway.surfaces.mcp.server")
                manager: StreamableHTTPSessionManager = server.build_manager(self._container, BODY_BYTES_MAX)
                started = asyncio.Event()
                self._container.bus.run_in_background(_run(manager, started), "mcp")
                await started.wait()
                self._manager = manager
        return self._manager


async def _run(manager: "StreamableHTTPSessionManager", started: asyncio.Event) -> None:
    """Until the process stops: the tasks of requests belong to this one."""
    async with manager.run():
        started.set()
        await asyncio.Event().wait()

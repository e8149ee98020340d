"""Two listeners of one process: the public API, and the operators' routes.

The socket decides which one a request came through, never a header of the request.
"""

from typing import TYPE_CHECKING

from starlette.types import Receive, Scope, Send

if TYPE_CHECKING:
    from atelier_gateway.surfaces.openapi import DocumentedFastAPI


class Listeners:
    """The ASGI application of the process. Its life is the public application's; both share its parts."""

    def __init__(self, public: "DocumentedFastAPI", operations: "DocumentedFastAPI", *, operations_port: int) -> None:
        self.public = public
        self.operations = operations
        self._operations_port = operations_port

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, or the life of the process."""
        _, port = scope.get("server") or (None, None)
        app = self.operations if scope["type"] == "http" and port == self._operations_port else self.public
        await app(scope, receive, send)

"""One client's connection to the gateway, which a test closes when it wants: the ASGI side of what a server does."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from starlette.types import Message

from atelier_contracts import CancelRequested

from .world import World

BICYCLE = {"prompt": "a red bicycle", "model": "dall-e-3"}


class Connection:
    """A POST, or a GET without a body, on its way. ``close`` is what a client does that gives up."""

    def __init__(self, world: World, path: str, headers: Mapping[str, str], body: Mapping[str, Any] | None) -> None:
        path, _, query = path.partition("?")
        lines = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        self._scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "GET" if body is None else "POST",
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": [(b"content-type", b"application/json"), *lines],
            "client": ("127.0.0.1", 1),
            "server": ("gateway", 80),
            "scheme": "http",
        }
        self._app: Any = world.client._transport._public.app  # type: ignore[attr-defined]
        self._coming = [b"" if body is None else json.dumps(body).encode()]
        self._closed = asyncio.Event()
        self.sent: list[Message] = []
        self.close_at: int | None = None
        """Which message of the answer the client no longer takes, counted from 0; None: it takes all."""
        self.task = asyncio.create_task(self._serve())

    def close(self) -> None:
        """Gives up."""
        self._closed.set()

    @property
    def status(self) -> int:
        """Of the answer."""
        return int(self.sent[0]["status"])

    @property
    def text(self) -> str:
        """The body of the answer so far."""
        return b"".join(message.get("body", b"") for message in self.sent[1:]).decode()

    @property
    def json(self) -> dict[str, Any]:
        """The body of the answer."""
        body: dict[str, Any] = json.loads(self.text)
        return body

    @property
    def headers(self) -> dict[str, str]:
        """Of the answer."""
        return {name.decode(): value.decode() for name, value in self.sent[0]["headers"]}

    async def _serve(self) -> None:
        await self._app(self._scope, self._receive, self._send)

    async def _receive(self) -> Message:
        if self._coming:
            return {"type": "http.request", "body": self._coming.pop(), "more_body": False}
        await self._closed.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        if len(self.sent) == self.close_at:
            self.close()
        if not self._closed.is_set():
            self.sent.append(message)
        if message["type"] == "http.response.body" and not message.get("more_body"):
            self.close()


async def wait_until_started(world: World, count: int = 1) -> UUID:
    """The latest generation that reached the session, once ``count`` have."""

    async def has_count() -> bool:
        return len(world.neighbours.started) == count

    try:
        await world.until(has_count)
    except TimeoutError as error:
        rows = await world.pool.fetch("SELECT id, state, created_at FROM generations")
        error.add_note(f"{count} expected, started: {world.neighbours.started}; the gateway's generations: {rows}")
        error.add_note(f"waiting to be published: {await world.pool.fetchval('SELECT count(*) FROM outbox')}")
        raise
    return world.neighbours.started[-1]


def cancels(world: World) -> list[CancelRequested]:
    """The cancel requests that reached the session."""
    messages = (envelope.message for envelope in world.neighbours.heard)
    return [message for message in messages if isinstance(message, CancelRequested)]

"""A receiver of webhooks for tests: a real server that records what arrived and gives the planned answers."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from standardwebhooks import Webhook, WebhookVerificationError

TAKEN = "204 No Content"


@dataclass(frozen=True)
class Message:
    """One POST as it came."""

    path: str
    headers: dict[str, str]
    body: str

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def type(self) -> str:
        return str(json.loads(self.body)["type"])

    @property
    def data(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)["data"]
        return found

    def signed_with(self, secret: str) -> bool:
        """Whether the library of the standard verifies it."""
        try:
            Webhook(secret).verify(self.body, self.headers)
        except WebhookVerificationError:
            return False
        return True


@dataclass
class Receiver:
    """``answers`` are given first, in order, each a status line's end with further headers; then all is taken."""

    port: int = 0
    answers: list[str] = field(default_factory=list)
    got: list[Message] = field(default_factory=list)
    answering: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/in?token=canary"

    def hold(self) -> None:
        """Takes messages and answers nothing, until ``answering`` is set."""
        self.answering.clear()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
            headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
            body = await reader.readexactly(int(headers["content-length"]))
            self.got.append(Message(head.split()[1], headers, body.decode()))
            answer = self.answers.pop(0) if self.answers else TAKEN
            await self.answering.wait()
            writer.write(f"HTTP/1.1 {answer}\r\nContent-Length: 0\r\n\r\n".encode())
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the sender was stopped, as senders may be
        finally:
            writer.close()


@asynccontextmanager
async def open_receiver(*answers: str) -> AsyncIterator[Receiver]:
    """A receiver at a port of its own."""
    receiver = Receiver(answers=list(answers))
    receiver.answering.set()
    listening = await asyncio.start_server(receiver.serve, "127.0.0.1", 0)
    receiver.port = listening.sockets[0].getsockname()[1]
    yield receiver
    receiver.answering.set()
    listening.close()

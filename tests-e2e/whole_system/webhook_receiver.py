"""A server on this machine that takes every webhook and answers 204, or what a test sets for a path."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any


@dataclass
class Receiver:
    """Takes everything; what came, by path, and the status that each path answers: 204 unless set otherwise."""

    url: str = ""
    got: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    status_of: dict[str, HTTPStatus] = field(default_factory=dict)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        path = head.split()[1]
        self.got.append((path, headers, await reader.readexactly(int(headers["content-length"]))))
        status = self.status_of.get(path, HTTPStatus.NO_CONTENT)
        writer.write(f"HTTP/1.1 {status.value} {status.phrase}\r\nConnection: close\r\n\r\n".encode())
        await writer.drain()
        writer.close()

    def bodies_at(self, path: str) -> list[str]:
        """The types of what came to a path."""
        return [document["type"] for document in self.documents_at(path)]

    def documents_at(self, path: str) -> list[dict[str, Any]]:
        """What came to a path, as the JSON it is."""
        return [json.loads(body) for at, _, body in self.got if at == path]


@asynccontextmanager
async def open_receiver() -> AsyncIterator[Receiver]:
    """On a port of loopback, which the local profile allows."""
    receiver = Receiver()
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0)
    receiver.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield receiver
    finally:
        server.close()

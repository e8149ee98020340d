"""The official SDK's client in front of the gateway under test, without a socket, and results for it to find."""

import io
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CallToolResult
from PIL import Image

from atelier_contracts import Artefact, GenerationSucceeded, Message
from atelier_storage.keys import artefact_key

from .world import World

ERAS = ("legacy", "auto")
"""The handshake of the protocol until 2025-11-25, and the requests without one since 2026-07-28."""
IMAGE = {"kind": "image", "prompt": "a cat", "size": "256x256"}
PRICE = 3


@asynccontextmanager
async def http_of(world: World, headers: Mapping[str, str]) -> AsyncIterator[httpx2.AsyncClient]:
    """An HTTP client of the public listener with these headers on each request."""
    transport = httpx2.ASGITransport(world.listeners.public)
    async with httpx2.AsyncClient(transport=transport, base_url="http://gateway", headers=dict(headers)) as http:
        yield http


@asynccontextmanager
async def agent(world: World, headers: Mapping[str, str], era: str = "auto", **settings: Any) -> AsyncIterator[Client]:
    """A connected agent."""
    async with http_of(world, headers) as http:
        transport = streamable_http_client("http://gateway/mcp", http_client=http)
        async with Client(transport, mode=era, **settings) as client:
            yield client


def error_code(result: CallToolResult) -> str:
    """The code of the problem that a tool returned."""
    assert result.is_error, result
    return str(getattr(result.content[0], "text", "")).partition(":")[0]


def grainy_png(width: int, height: int) -> bytes:
    """A grey picture whose grain makes a PNG large and a JPEG not."""
    out = io.BytesIO()
    grain = bytes(96 + (byte & 15) for byte in os.urandom(width * height * 3))
    Image.frombytes("RGB", (width, height), grain).save(out, "PNG")
    return out.getvalue()


async def success_with(
    world: World, owner: UUID, generation: UUID, *files: tuple[bytes, str, tuple[int, int] | None]
) -> Message:
    """The event of a generation whose outputs are these, stored: bytes, media type, width and height."""
    outputs = []
    for index, (data, media_type, sides) in enumerate(files):
        key = artefact_key("store", owner, generation, index, media_type.rpartition("/")[2].replace("mpeg", "mp3"))
        await world.container.objects.put(key, data, media_type)
        width, height = sides or (None, None)
        outputs.append(
            Artefact(key=key, content_type=media_type, size=len(data), sha256="ab" * 32, width=width, height=height)
        )
    return GenerationSucceeded(
        generation_id=generation,
        outputs=tuple(outputs),
        delivered=len(outputs),
        captured=len(outputs),
        refunded=0,
        provider="local",
    )

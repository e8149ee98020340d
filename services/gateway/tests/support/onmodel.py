"""Seed 004's photos, as tests send them, and what they leave behind."""

import asyncio
import base64
import io
from typing import Any
from uuid import UUID

import httpx
from PIL import Image

from atelier_contracts import Artefact, GenerationRequested, GenerationSucceeded, Message
from atelier_storage.keys import artefact_key

from .neighbours import admit
from .world import World

CREATE = "/v1/generate?onmodel"
AT_ONCE = {"Prefer": "respond-async"}


def picture(kind: str = "png", colour: str = "teal", **options: Any) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (40, 60), colour).save(out, kind, **options)
    return out.getvalue()


def uri(data: bytes, declared: str = "png") -> str:
    return f"data:image/{declared};base64,{base64.b64encode(data).decode()}"


def body(*pictures: str, **changes: Any) -> dict[str, Any]:
    photos = [{"id": str(i), "image": image} for i, image in enumerate(pictures or (uri(picture()),))]
    return {"photos": photos, "modelId": "123", "backgroundId": "456"} | changes


async def rows_and_objects(world: World) -> dict[str, int]:
    return await world.rows() | {"files": await world.pool.fetchval("SELECT count(*) FROM files")}


NOTHING = {"generations": 0, "idempotency": 0, "outbox": 0, "files": 0}


def error_of(reply: httpx.Response) -> tuple[int, str]:
    """Every error is {success: false, message, error_code} and no more (004.4)."""
    told = reply.json()
    assert set(told) == {"success", "message", "error_code"} and told["success"] is False and told["message"]
    return reply.status_code, told["error_code"]


def deliver_pictures(world: World, owner: UUID) -> None:
    """From now on everything is made at once."""

    def answer(request: GenerationRequested) -> Message:
        key = artefact_key("user", owner, request.generation_id, 0, "png")
        made = Artefact(key=key, content_type="image/png", size=3, sha256="ab" * 32, width=8, height=9)
        done = GenerationSucceeded(
            generation_id=request.generation_id, outputs=(made,), delivered=1, captured=3, refunded=0, provider="local"
        )
        background.add(asyncio.create_task(world.neighbours.say(done)))
        return admit(request)

    background: set[asyncio.Task[None]] = set()
    world.neighbours.answer = answer

"""Uploads: offered, sent to the store, used in a generation, made older."""

import io
from typing import Any
from uuid import UUID

import httpx
from PIL import Image

from atelier_storage.errors import ObjectMissing

from .native import IMAGE, create, fail
from .world import World

DAY_S = 86_400
LAPSED_S = 1_000


def image_bytes() -> bytes:
    made = io.BytesIO()
    Image.new("RGB", (8, 9), "red").save(made, "PNG")
    return made.getvalue()


async def offer(world: World, headers: dict[str, str], **changes: Any) -> httpx.Response:
    body = {"filename": "me.png", "content_type": "image/png", "size_bytes": 10}
    return await world.client.post("/v1/uploads", headers=headers, json=body | changes)


async def put(upload: dict[str, Any], data: bytes, **changes: str) -> int:
    async with httpx.AsyncClient() as client:
        return (await client.put(upload["upload_url"], content=data, headers=upload["headers"] | changes)).status_code


async def upload_image(world: World, headers: dict[str, str], data: bytes) -> dict[str, Any]:
    upload: dict[str, Any] = (await offer(world, headers, size_bytes=len(data))).json()
    assert await put(upload, data) == 200
    return upload


async def upload_text(world: World, headers: dict[str, str]) -> dict[str, Any]:
    upload = (await offer(world, headers, filename="a.txt", content_type="text/plain", size_bytes=2)).json()
    assert await put(upload, b"Hi") == 200
    return dict(upload)


def narration(upload: dict[str, Any]) -> dict[str, Any]:
    return {"kind": "narration", "inputs": [{"role": "text", "key": upload["key"]}]}


async def use_upload(world: World, headers: dict[str, str], upload: dict[str, Any]) -> UUID:
    body = IMAGE | {"inputs": [{"role": "image", "key": upload["key"]}]}
    generation = await create(world, headers, body)
    await fail(world, headers, generation)
    return generation


async def get_upload(world: World, headers: dict[str, str], upload: dict[str, Any]) -> httpx.Response:
    return await world.client.get(f"/v1/uploads/{upload['id']}", headers=headers)


async def age(world: World, seconds: int) -> None:
    """As if everything were that much older."""
    for table in ("uploads", "files"):
        await world.pool.execute(f"UPDATE {table} SET created_at = created_at - make_interval(secs => $1)", seconds)


async def is_there(world: World, key: str) -> bool:
    try:
        await world.container.objects.stat(key)
    except ObjectMissing:
        return False
    return True

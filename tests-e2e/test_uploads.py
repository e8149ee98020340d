"""Uploads on the running system: what is priced is what is made."""

import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from atelier_local import demo_photos
from whole_system.world import World, eventually

LONG = "The old keeper climbed the stairs. " * 1_000


@pytest.fixture
async def shopper(world: World) -> AsyncIterator[httpx.AsyncClient]:
    """A store with 1 000 credits, speaking plain HTTP."""
    made = await world.admin.create_store("Upload boutique")
    await world.admin.grant("store", made.id, 1_000, reason="test")
    headers = {"X-API-Key": made.api_key}
    async with httpx.AsyncClient(base_url=world.url, headers=headers, timeout=60, trust_env=False) as client:
        yield client


@asynccontextmanager
async def renders_later(world: World) -> AsyncIterator[None]:
    """Nothing is rendered until the block ends."""
    world.stack.kill("render", signal.SIGSTOP)
    try:
        yield
    finally:
        world.stack.kill("render", signal.SIGCONT)


async def offered(shopper: httpx.AsyncClient, name: str, content_type: str, data: bytes) -> dict[str, Any]:
    """An upload that holds these bytes."""
    body = {"filename": name, "content_type": content_type}
    offer = await shopper.post("/api/v1/uploads", json=body)
    assert offer.status_code == 201, offer.text
    upload: dict[str, Any] = offer.json()["data"]
    await put(upload, data)
    return upload


async def put(upload: dict[str, Any], data: bytes) -> None:
    async with httpx.AsyncClient() as client:
        (await client.put(upload["upload_url"], content=data, headers=upload["headers"])).raise_for_status()


async def created(shopper: httpx.AsyncClient, body: dict[str, Any]) -> str:
    made = await shopper.post("/v1/generations", json=body)
    assert made.status_code == 201, made.text
    return str(made.json()["id"])


async def ended(shopper: httpx.AsyncClient, id_: str) -> dict[str, Any]:
    async def look() -> dict[str, Any] | None:
        found: dict[str, Any] = (await shopper.get(f"/v1/generations/{id_}")).json()
        return found if found["status"] in ("succeeded", "failed") else None

    return await eventually(look)


async def test_a_text_replaced_after_it_was_priced_is_read_as_it_was_priced(
    world: World, shopper: httpx.AsyncClient
) -> None:
    upload = await offered(shopper, "story.txt", "text/plain", b"Hi there.")

    async with renders_later(world):
        id_ = await created(shopper, {"kind": "narration", "inputs": [{"role": "text", "key": upload["key"]}]})
        await put(upload, LONG.encode())
    made = await ended(shopper, id_)

    same = await ended(shopper, await created(shopper, {"kind": "narration", "text": "Hi there."}))
    assert (made["status"], made["credits"]["captured"]) == ("succeeded", 1)
    assert made["outputs"][0]["checksum"] == same["outputs"][0]["checksum"]


async def test_a_picture_replaced_after_it_was_checked_is_not_what_is_made_of(
    world: World, shopper: httpx.AsyncClient
) -> None:
    first, second = demo_photos.person_photo(), demo_photos.garment_photo()
    upload = await offered(shopper, "me.png", "image/png", first)
    edit = {"kind": "image", "prompt": "in the rain", "inputs": [{"role": "image", "key": upload["key"]}]}

    async with renders_later(world):
        id_ = await created(shopper, edit)
        await put(upload, second)
    made = await ended(shopper, id_)

    untouched = await offered(shopper, "me.png", "image/png", first)
    same = await ended(shopper, await created(shopper, edit | {"inputs": [{"role": "image", "key": untouched["key"]}]}))
    assert made["status"] == "succeeded"
    assert made["outputs"][0]["checksum"] == same["outputs"][0]["checksum"]

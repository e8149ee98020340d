"""Uploads on the running system: what is priced is what is made, and what is deleted is gone."""

import io
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import httpx
import pytest
from minio import Minio
from PIL import Image, ImageChops, ImageStat

from atelier_local.demo import photos as demo_photos
from whole_system.waits import eventually
from whole_system.world import World

MARK_BYTES_MAX = 4_096
"""The metadata of an output differs from one generation to the next."""
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


async def offer(shopper: httpx.AsyncClient, name: str, content_type: str, data: bytes) -> dict[str, Any]:
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


async def create(shopper: httpx.AsyncClient, body: dict[str, Any]) -> str:
    made = await shopper.post("/v1/generations", json=body)
    assert made.status_code == 201, made.text
    return str(made.json()["id"])


async def wait_until_ended(shopper: httpx.AsyncClient, id_: str) -> dict[str, Any]:
    async def look() -> dict[str, Any] | None:
        found: dict[str, Any] = (await shopper.get(f"/v1/generations/{id_}")).json()
        return found if found["status"] in ("succeeded", "failed") else None

    return await eventually(look)


async def output(generation: dict[str, Any]) -> bytes:
    async with httpx.AsyncClient() as client:
        return (await client.get(generation["outputs"][0]["url"])).raise_for_status().content


def decode(picture: bytes) -> Image.Image:
    return Image.open(io.BytesIO(picture)).convert("RGB")


async def test_a_text_replaced_after_it_was_priced_is_read_as_it_was_priced(
    world: World, shopper: httpx.AsyncClient
) -> None:
    upload = await offer(shopper, "story.txt", "text/plain", b"Hi there.")

    async with renders_later(world):
        id_ = await create(shopper, {"kind": "narration", "inputs": [{"role": "text", "key": upload["key"]}]})
        await put(upload, LONG.encode())
    made = await wait_until_ended(shopper, id_)

    same = await wait_until_ended(shopper, await create(shopper, {"kind": "narration", "text": "Hi there."}))
    assert (made["status"], made["credits"]["captured"]) == ("succeeded", 1)
    assert abs(len(await output(made)) - len(await output(same))) < MARK_BYTES_MAX


async def test_a_picture_replaced_after_it_was_checked_is_not_what_is_made_of(
    world: World, shopper: httpx.AsyncClient
) -> None:
    first, second = demo_photos.person_photo(), demo_photos.garment_photo()
    upload = await offer(shopper, "me.png", "image/png", first)
    edit = {"kind": "image", "prompt": "in the rain", "inputs": [{"role": "image", "key": upload["key"]}]}

    async with renders_later(world):
        id_ = await create(shopper, edit)
        await put(upload, second)
    made = await wait_until_ended(shopper, id_)

    untouched = await offer(shopper, "me.png", "image/png", first)
    same = await wait_until_ended(
        shopper, await create(shopper, edit | {"inputs": [{"role": "image", "key": untouched["key"]}]})
    )
    assert made["status"] == "succeeded"
    difference = ImageChops.difference(decode(await output(made)), decode(await output(same)))
    assert max(ImageStat.Stat(difference).mean) < 1


async def _places_with(world: World, words: str) -> list[str]:
    """The tables that hold these words, in all four databases."""
    found = []
    for name, database in world.databases.items():
        tables = await database.fetch(
            "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE n.nspname = 'public' AND c.relkind = 'r' AND has_table_privilege(c.oid, 'SELECT')"
        )
        for table in [row["relname"] for row in tables]:
            if await database.fetchval(f'SELECT count(*) FROM "{table}" t WHERE t::text LIKE $1', f"%{words}%"):
                found.append(f"{name}.{table}")
    return found


async def test_of_a_deleted_generation_no_word_and_no_input_stays(world: World, shopper: httpx.AsyncClient) -> None:
    canary = "canary4711"
    url = f"https://cdn.example.com/{canary}.png?signature={canary}"
    bodies: list[dict[str, Any]] = [
        {"kind": "narration", "text": f"My {canary} sings.", "metadata": {"order": canary}},
        {"kind": "image", "prompt": f"a {canary}", "inputs": [{"role": "image", "url": url}]},
    ]
    made = []
    for body in bodies:
        answer = await shopper.post("/v1/generations", json=body, headers={"X-Atelier-Simulate": "outcome=succeed"})
        made.append(await wait_until_ended(shopper, answer.json()["id"]))
    [text] = await world.databases["gateway"].fetch(
        "SELECT key FROM files WHERE generation_id = $1 AND category = 'text'", UUID(made[0]["id"])
    )
    assert {"session.store_generation_sessions", "gateway.generations"} <= set(await _places_with(world, canary))

    for generation in made:
        assert (await shopper.delete(f"/v1/generations/{generation['id']}")).status_code == 204

    async def is_nowhere() -> bool | None:
        return None if await _places_with(world, canary) else True

    async def is_removed() -> bool | None:
        held = await world.databases["render"].fetchval(
            "SELECT count(*) FROM doomed_objects WHERE key = $1", text["key"]
        )
        return True if not held and not _is_stored(world, text["key"]) else None

    await eventually(is_nowhere)
    await eventually(is_removed)


def _is_stored(world: World, key: str) -> bool:
    given = world.stack.environment()
    store = Minio(
        given["ATELIER_S3_ENDPOINT"].partition("://")[2],
        given["ATELIER_S3_ACCESS_KEY"],
        given["ATELIER_S3_SECRET_KEY"],
        secure=False,
        region=given["ATELIER_S3_REGION"],
    )
    return any(True for _ in store.list_objects(given["ATELIER_S3_BUCKET"], prefix=key, recursive=True))

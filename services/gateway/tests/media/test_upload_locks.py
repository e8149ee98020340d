"""Locks of uploads: taken in one order by everybody, and never held while the object store answers."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from atelier_contracts import Owner
from atelier_gateway.media import store as media_store
from atelier_gateway.media.store import FileUse
from atelier_messaging.database import Connection
from atelier_storage.objects import ObjectStore

from ..support.native import create, fail
from ..support.uploads import DAY_S, age, image_bytes, is_there, narration, upload_image, upload_text, use_upload
from ..support.world import World

pytestmark = pytest.mark.stack
FILE = "SELECT FROM files WHERE upload_key = $1 FOR UPDATE"
UPLOAD = "SELECT FROM uploads WHERE key = $1 FOR UPDATE"


@dataclass(frozen=True)
class Client:
    """A store with an upload that was quoted, so that an object of ours holds its bytes."""

    world: World
    headers: dict[str, str]
    upload: dict[str, Any]

    @property
    def body(self) -> dict[str, Any]:
        """A create that uses it."""
        return narration(self.upload)

    async def delete(self) -> httpx.Response:
        """DELETE of the upload."""
        return await self.world.client.delete(f"/v1/uploads/{self.upload['id']}", headers=self.headers)

    async def create(self) -> httpx.Response:
        """POST of a generation made of it."""
        return await self.world.client.post("/v1/generations", headers=self.headers, json=self.body)


async def client_of(world: World) -> Client:
    _, headers = await world.store()
    client = Client(world, headers, await upload_text(world, headers))
    assert (await world.client.post("/v1/quotes", headers=headers, json=client.body)).status_code == 200
    return client


async def _delete_it(client: Client) -> Callable[[], Awaitable[object]]:
    return client.delete


async def _sweep_it(client: Client) -> Callable[[], Awaitable[object]]:
    await age(client.world, DAY_S + 60)
    return client.world.container.uploads.sweep


async def _use_it(client: Client) -> Callable[[], Awaitable[object]]:
    return client.create


async def _delete_what_is_made_of_it(client: Client) -> Callable[[], Awaitable[object]]:
    generation = await create(client.world, client.headers, client.body)
    await fail(client.world, client.headers, generation)
    return lambda: client.world.client.delete(f"/v1/generations/{generation}", headers=client.headers)


async def wait_until_blocked_by(world: World, connection: Connection, act: asyncio.Future[Any]) -> None:
    """Returns once the act waits for a lock of this connection."""
    pid = await connection.fetchval("SELECT pg_backend_pid()")

    async def waits() -> bool:
        found = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE $1 = ANY(pg_blocking_pids(pid)))"
        return act.done() or bool(await world.pool.fetchval(found, pid))

    await world.until(waits)
    assert not act.done(), act.result()


@pytest.mark.parametrize("prepare", [_delete_it, _sweep_it, _use_it, _delete_what_is_made_of_it])
async def test_who_waits_for_a_file_holds_no_upload(
    world: World, prepare: Callable[[Client], Awaitable[Callable[[], Awaitable[object]]]]
) -> None:
    client = await client_of(world)
    act = await prepare(client)

    async with world.pool.acquire() as holder, holder.transaction():
        await holder.execute(FILE, client.upload["key"])
        acting = asyncio.ensure_future(act())
        await wait_until_blocked_by(world, holder, acting)
        await holder.execute(f"{UPLOAD} NOWAIT", client.upload["key"])

    await acting


async def test_generations_that_are_written_together_lock_what_they_use_in_the_order_of_ids(world: World) -> None:
    store, headers = await world.store()
    owner = Owner(kind="store", id=store)
    uploads = [await upload_image(world, headers, image_bytes()) for _ in range(2)]
    generations = [await use_upload(world, headers, upload) for upload in uploads]
    rows = await world.pool.fetch("SELECT id, key FROM files WHERE generation_id IS NULL ORDER BY id")
    later_first = [(owner, id_, FileUse("image", "x", key=row["key"], image_order=1))
                   for id_, row in zip(generations, rows[::-1], strict=True)]  # fmt: skip

    async def link() -> None:
        async with world.pool.acquire() as connection, connection.transaction():
            await media_store.link(connection, later_first)

    async with world.pool.acquire() as holder, holder.transaction():
        await holder.execute("SELECT FROM files WHERE id = $1 FOR UPDATE", rows[0]["id"])
        linking = asyncio.ensure_future(link())
        await wait_until_blocked_by(world, holder, linking)
        await holder.execute("SELECT FROM files WHERE id = $1 FOR UPDATE NOWAIT", rows[1]["id"])

    await linking


@pytest.mark.parametrize("prepare", [_delete_it, _sweep_it])
async def test_nothing_is_locked_while_the_object_store_answers(
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    prepare: Callable[[Client], Awaitable[Callable[[], Awaitable[object]]]],
) -> None:
    client = await client_of(world)
    act = await prepare(client)
    asked, answers, remove = asyncio.Event(), asyncio.Event(), ObjectStore.remove

    async def slow(objects: ObjectStore, key: str) -> None:
        asked.set()
        await answers.wait()
        await remove(objects, key)

    monkeypatch.setattr(ObjectStore, "remove", slow)
    acting = asyncio.ensure_future(act())
    await asked.wait()
    try:
        async with world.pool.acquire() as other, other.transaction():
            for table in ("files", "uploads", "doomed_uploads"):
                await other.execute(f"SELECT FROM {table} FOR UPDATE NOWAIT")
    finally:
        answers.set()
        await acting

    assert not await is_there(world, client.upload["key"])
    assert await world.pool.fetchval("SELECT count(*) FROM doomed_uploads") == 0


async def test_an_upload_that_is_taken_into_use_while_it_is_swept_stays(world: World) -> None:
    client = await client_of(world)
    generation = await create(world, client.headers)
    await age(world, DAY_S + 60)

    async with world.pool.acquire() as user, user.transaction():
        row = await user.fetchrow("SELECT key, owner_id FROM files WHERE upload_key = $1", client.upload["key"])
        assert row is not None
        owner = Owner(kind="store", id=row["owner_id"])
        await media_store.link(user, [(owner, generation, FileUse("text", "x", key=row["key"]))])
        sweeping = asyncio.ensure_future(world.container.uploads.sweep())
        await wait_until_blocked_by(world, user, sweeping)
    await sweeping

    assert (await is_there(world, row["key"]), await is_there(world, client.upload["key"])) == (True, True)
    assert (await client.create()).status_code == 201

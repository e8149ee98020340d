"""What the pictures of ``/console`` show: orders that succeed, fail and hang, refusals, webhooks, dead letters."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import httpx
from uuid_utils.compat import uuid7

from atelier_contracts import RenderStarted, wrap
from atelier_contracts.routes import SESSION_SAGA
from atelier_local.api_client.api_models import Store
from whole_system.console_asker import ask
from whole_system.console_scene import bury
from whole_system.waits import becomes
from whole_system.world import World

GRANTED = 200
PREPARE_S_MAX = 900.0
ORDERS: tuple[tuple[str, str], ...] = (
    ("picture=none", "a lake at dawn"),
    ("outcome=fail", "a red coat"),
    ("outcome=fail", "a blue coat"),
    ("outcome=timeout", "a green coat"),
    ("outcome=succeed, delay_ms=600000", "a very slow coat"),
)


async def prepare(world: World) -> dict[str, str]:
    """The ids that the pages' addresses have: ``made``, ``store``, ``queue``."""
    store = await world.admin.create_store("Picture boutique")
    await world.admin.grant("store", store.id, GRANTED, reason="pictures of the console")
    cap = f"/v1/admin/caps/store/{store.id}/store/{store.id}/day"
    await ask(world, "PUT", cap, {"credits": GRANTED})
    await _refuse(world)
    async with _receivers() as urls:
        made = await _order(world, store, urls)
    await _bury(world, made)
    return {"made": made, "store": store.id, "queue": SESSION_SAGA}


async def _order(world: World, store: Store, receivers: list[str]) -> str:
    headers = {"X-API-Key": store.api_key}
    async with httpx.AsyncClient(base_url=world.url, headers=headers, timeout=PREPARE_S_MAX) as http:
        for url in receivers:
            assert (await http.post("/v1/webhooks", json={"url": url})).is_success
        body = {"kind": "image", "prompt": "snowy mountains above a lake at sunset", "size": "512x512"}
        made = await http.post("/v1/generations", json=body | {"metadata": {"order": "SO-1042"}})
        for simulate, prompt in ORDERS:
            order = {"kind": "image", "prompt": prompt, "size": "256x256"}
            await http.post("/v1/generations", json=order, headers={"X-Atelier-Simulate": simulate})

        async def status() -> str:
            return str((await http.get(f"/v1/generations/{made.json()['id']}")).json()["status"])

        async def has_arrived() -> bool:
            listed = await ask(world, "GET", f"/v1/admin/accounts/store/{store.id}/deliveries")
            return any(row["state"] == "delivered" for row in listed["data"])

        await becomes("succeeded", status, within_s=PREPARE_S_MAX)
        await becomes(True, has_arrived, within_s=PREPARE_S_MAX)
        return str(made.json()["id"])


async def _refuse(world: World) -> None:
    poor = await world.admin.create_store("Boutique without credits")
    async with httpx.AsyncClient(
        base_url=world.url, headers={"X-API-Key": poor.api_key}, timeout=PREPARE_S_MAX
    ) as http:
        for kind in ("image", "image", "try_on"):
            await http.post("/v1/generations", json={"kind": kind, "prompt": "a lake"})

    async def is_kept() -> bool:
        return bool((await ask(world, "GET", f"/v1/admin/refusals?owner_id={poor.id}"))["data"])

    await becomes(True, is_kept, within_s=PREPARE_S_MAX)


async def _bury(world: World, generation: str) -> None:
    started = [RenderStarted(generation_id=UUID(generation), attempt=number) for number in (1, 2, 3)]
    lost = RenderStarted(generation_id=UUID(str(uuid7())), attempt=1)
    await bury(world, [wrap(message, source="atelier/render") for message in (*started, lost)])


@asynccontextmanager
async def _receivers() -> AsyncIterator[list[str]]:
    """Of webhooks: one takes what it gets, one answers 500."""

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _answer(reader, writer, b"204 No Content")

    async def fail(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _answer(reader, writer, b"500 Internal Server Error")

    async with (
        await asyncio.start_server(take, "127.0.0.1", 0) as one,
        await asyncio.start_server(fail, "127.0.0.1", 0) as other,
    ):
        yield [f"http://127.0.0.1:{each.sockets[0].getsockname()[1]}/hook" for each in (one, other)]


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, status: bytes) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    await writer.drain()
    writer.close()

"""A gateway that gets SIGTERM answers what waits: with the id, or by cancelling, and then nothing is charged."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from httpx_sse import ServerSentEvent, aconnect_sse

from atelier_local.launcher.replica import Replica
from whole_system.replicas import replica
from whole_system.surfaces import build_create_requests
from whole_system.waits import eventually
from whole_system.world import World

SLOW = {"X-Atelier-Simulate": "outcome=succeed, delay_ms=12000"}
IMAGE = {"kind": "image", "prompt": "a tree", "size": "256x256"}
CREDITS = 100


@pytest.fixture
async def second(world: World) -> AsyncIterator[Replica]:
    """Another gateway beside the stack's own."""
    async with replica(world.stack, "gateway", ATELIER_DRAIN_S="0.5") as started:
        yield started


@asynccontextmanager
async def shop(world: World, url: str) -> AsyncIterator[tuple[str, httpx.AsyncClient]]:
    """A store's id, and its client at that address."""
    made = await world.admin.create_store("Boutique of a stopping gateway")
    await world.admin.grant("store", made.id, CREDITS, reason="test")
    headers = {"Authorization": f"Bearer {made.api_key}"} | SLOW
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=60, trust_env=False) as client:
        yield made.id, client


async def _saga(world: World) -> str:
    """The one generation that renders, once there is one."""

    async def look() -> str | None:
        rows = await world.databases["session"].fetch("SELECT generation_id FROM sagas WHERE state = 'rendering'")
        return str(rows[0]["generation_id"]) if rows else None

    return await eventually(look)


async def _state(world: World, generation: str) -> str:
    async def look() -> str | None:
        state = await world.databases["session"].fetchval(
            "SELECT state FROM sagas WHERE generation_id = $1::uuid", generation
        )
        return state if state in ("succeeded", "cancelled", "failed", "expired") else None

    return await eventually(look)


async def _events(client: httpx.AsyncClient, generation: str) -> list[ServerSentEvent]:
    """All events of a stream until it ends; raises when it ends in the middle."""
    async with aconnect_sse(client, "GET", f"/v1/generations/{generation}/events") as stream:
        return [event async for event in stream.aiter_sse()]


async def test_who_waits_is_told_the_id_and_streams_end_whole(world: World, second: Replica) -> None:
    async with shop(world, second.url) as (_, client):
        waiting = asyncio.create_task(client.post("/v1/generations", json=IMAGE, headers={"Prefer": "wait=25"}))
        generation = await _saga(world)
        following = asyncio.create_task(_events(client, generation))

        second.terminate()
        answer, events = await waiting, await following
        status = await second.wait_until_ended()

        assert (answer.status_code, answer.json()["id"]) == (201, generation)
        assert all(event.event in ("queued", "rendering") for event in events)
        assert status < 0 and await _state(world, generation) == "succeeded"


async def test_who_cannot_be_told_an_id_pays_nothing_and_is_told_so(world: World, second: Replica) -> None:
    async with shop(world, second.url) as (owner, client):
        waiting = asyncio.create_task(client.post("/v1/images/generations", json={"prompt": "a tree"}))
        generation = await _saga(world)

        second.terminate()
        answer = await waiting

        assert answer.status_code == 503, answer.text
        assert "Nothing is charged" in answer.json()["error"]["message"]
        assert "x-should-retry" not in answer.headers
        assert await _state(world, generation) == "cancelled"
        balance = await world.admin.balance("store", owner)
        assert (balance.available, balance.captured) == (CREDITS, 0)


async def test_with_a_key_the_picture_is_had_from_the_gateway_that_stays(world: World, second: Replica) -> None:
    keyed = {"Idempotency-Key": "a-tree-to-come-back-for", "X-Atelier-Simulate": "outcome=succeed, delay_ms=4000"}
    body = {"prompt": "a tree", "size": "256x256", "response_format": "url"}
    async with shop(world, second.url) as (owner, client):
        waiting = asyncio.create_task(client.post("/v1/images/generations", json=body, headers=keyed))
        generation = await _saga(world)

        second.terminate()
        answer = await waiting
        again = await client.post(f"{world.url}/v1/images/generations", json=body, headers=keyed)

        assert (answer.status_code, answer.headers["retry-after"]) == (409, "1")
        assert (again.status_code, again.headers["x-generation-id"]) == (200, generation)
        assert (await world.admin.balance("store", owner)).captured == 3


@pytest.mark.parametrize("surface", ["images", "on-model"])
async def test_seeds_003_and_004_answer_with_what_leads_to_the_picture(
    world: World, second: Replica, surface: str
) -> None:
    create = (await build_create_requests(world))[surface]
    headers = {**create.headers, **SLOW}
    async with httpx.AsyncClient(base_url=second.url, headers=headers, timeout=60, trust_env=False) as client:
        waiting = asyncio.create_task(client.post(create.path, json=create.body))
        generation = await _saga(world)

        second.terminate()
        answer = await waiting

    assert answer.status_code == 202 and generation in answer.text
    assert await _state(world, generation) == "succeeded"

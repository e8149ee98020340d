"""Who gives up waiting pays nothing: stock clients with little patience against the running system."""

import httpx
import openai
import pytest
from openai import AsyncOpenAI

from whole_system.waits import becomes
from whole_system.world import World

SLOW = {"X-Atelier-Simulate": "outcome=succeed, delay_ms=8000"}
CREDITS = 50


async def _shop(world: World) -> tuple[str, str]:
    """A store's id and key."""
    made = await world.admin.create_store("Impatient boutique")
    await world.admin.grant("store", made.id, CREDITS, reason="test")
    return made.id, made.api_key


async def _states(world: World, owner: str) -> list[str]:
    rows = await world.databases["session"].fetch("SELECT state FROM sagas WHERE owner_id = $1::uuid", owner)
    return sorted(row["state"] for row in rows)


async def _wait_until_all_cancelled(world: World, owner: str, count: int) -> None:
    await becomes(["cancelled"] * count, lambda: _states(world, owner))
    balance = await world.admin.balance("store", owner)
    assert (balance.available, balance.held, balance.captured) == (CREDITS, 0, 0)


async def test_a_stock_client_that_times_out_and_tries_again_pays_for_none_of_its_tries(world: World) -> None:
    owner, key = await _shop(world)
    http = openai.DefaultAsyncHttpxClient(trust_env=False)
    async with AsyncOpenAI(
        base_url=f"{world.url}/v1", api_key=key, timeout=2.0, max_retries=2, http_client=http, default_headers=SLOW
    ) as client:
        with pytest.raises(openai.APITimeoutError):
            await client.images.generate(prompt="a tree", size="256x256")

    await _wait_until_all_cancelled(world, owner, 3)


async def test_a_client_that_leaves_a_waiting_create_pays_nothing(world: World) -> None:
    owner, key = await _shop(world)
    headers = {"Authorization": f"Bearer {key}", "Prefer": "wait=20"} | SLOW
    async with httpx.AsyncClient(base_url=world.url, headers=headers, timeout=1.0, trust_env=False) as client:
        with pytest.raises(httpx.ReadTimeout):
            await client.post("/v1/generations", json={"kind": "image", "prompt": "a tree", "size": "256x256"})

    await _wait_until_all_cancelled(world, owner, 1)


async def test_with_a_key_a_client_can_leave_and_have_its_answer_later(world: World) -> None:
    owner, key = await _shop(world)
    headers = {"Authorization": f"Bearer {key}", "Idempotency-Key": "tree-1"}
    headers |= {"X-Atelier-Simulate": "outcome=succeed, delay_ms=3000"}
    body = {"prompt": "a tree", "size": "256x256", "response_format": "url"}
    async with httpx.AsyncClient(base_url=f"{world.url}/v1", headers=headers, trust_env=False) as client:
        with pytest.raises(httpx.ReadTimeout):
            await client.post("/images/generations", json=body, timeout=1.0)
        answer = await client.post("/images/generations", json=body, timeout=60.0)

    assert answer.status_code == 200 and answer.json()["data"]
    assert await _states(world, owner) == ["succeeded"]
    assert (await world.admin.balance("store", owner)).captured == 3

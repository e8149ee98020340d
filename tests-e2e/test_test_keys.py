"""Test keys on the running system: all but the provider is real, nothing is paid with live credits, and it says so."""

import io
from typing import Any
from uuid import UUID

import httpx
from PIL import Image

from atelier_contracts.value_objects import id_of_test_account
from atelier_local.api_client.operations_client import OperationsClient
from atelier_provider_simulator.control import Control
from whole_system.world import World

PICTURE = {"kind": "image", "prompt": "a red bicycle", "size": "1024x1024"}
COST = 10
TEST_CREDITS = 10_000


async def ask(client: httpx.AsyncClient, **changes: Any) -> dict[str, Any]:
    made = await client.post("/v1/generations", json=PICTURE | changes, headers={"Prefer": "wait=30"})
    assert made.status_code == 200, made.text
    shown: dict[str, Any] = made.json()
    return shown


async def _test_key(world: World, store: str) -> str:
    known = world.stack.environment()
    async with OperationsClient(known["ATELIER_OPERATIONS_URL"], known["ATELIER_ADMIN_TOKEN"]) as admin:
        return str((await admin.create_key(store, "test", test=True))["api_key"])


async def test_a_test_key_makes_a_marked_picture_for_test_credits_and_reaches_no_provider(
    world: World, provider_simulator: Control
) -> None:
    store = await world.admin.create_store("test mode")
    key = await _test_key(world, store.id)

    async with httpx.AsyncClient(base_url=world.url, headers={"X-API-Key": key}, timeout=60) as client:
        before = (await client.get("/v1/credits")).json()
        shown = await ask(client, provider="openai", model="gpt-image-2.6-flare")
        receipt = (await client.get(f"/v1/generations/{shown['id']}/receipt")).json()
        after = (await client.get("/v1/credits")).json()
        usage = (await client.get("/v1/usage")).json()
    async with httpx.AsyncClient() as http:
        data = (await http.get(shown["outputs"][0]["url"])).content

    assert (shown["status"], shown["test"], shown["made_by"]["provider"]) == ("succeeded", True, "simulator")
    assert (before["test"], before["available"]) == (True, TEST_CREDITS)
    assert (after["available"], after["captured"]) == (TEST_CREDITS - COST, COST)
    assert receipt["test"] is True and receipt["signed"]["receipt"]["test"] is True
    assert receipt["signed"]["receipt"]["owner"]["id"] == str(id_of_test_account(UUID(store.id)))
    assert (usage["test"], usage["totals"]["charged"]) == (True, COST)
    assert await provider_simulator.requests() == []
    with Image.open(io.BytesIO(data)) as picture:
        middle = picture.convert("L").crop((100, 400, 924, 624)).getextrema()
    assert middle == (0, 255), "TEST stands on it"


async def test_test_credits_are_filled_up_and_live_ones_stay_as_they_are(world: World) -> None:
    store = await world.admin.create_store("test mode")
    await world.admin.grant("store", store.id, 20, reason="test")
    key = await _test_key(world, store.id)
    simulate = {"X-Atelier-Simulate": "outcome=succeed, picture=none"}

    async with httpx.AsyncClient(base_url=world.url, headers={"X-API-Key": key} | simulate, timeout=60) as client:
        await ask(client, n=10, quality="hd", size="1792x1024")
        account = (await client.get("/v1/credits")).json()
        entries = (await client.get("/v1/credits/entries")).json()

    live = await world.admin.balance("store", store.id)
    assert (live.available, live.captured) == (20, 0)
    assert account["available"] == TEST_CREDITS - 300
    assert entries["test"] and [entry["kind"] for entry in entries["data"]] == ["capture", "reserve", "grant"]


async def test_failures_are_rehearsed_with_a_test_key_and_cost_nothing(world: World) -> None:
    store = await world.admin.create_store("test mode")
    key = await _test_key(world, store.id)
    simulate = {"X-Atelier-Simulate": "outcome=fail"}

    async with httpx.AsyncClient(base_url=world.url, headers={"X-API-Key": key} | simulate, timeout=60) as client:
        shown = await ask(client)
        account = (await client.get("/v1/credits")).json()

    assert (shown["status"], shown["credits"]["captured"]) == ("failed", 0)
    assert account["available"] == TEST_CREDITS

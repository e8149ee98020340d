"""A broker that is wiped between publish and consume: what was accepted happens all the same, and once.

Each test stops the consumer, empties its queue as a wipe would, and starts it again.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from atelier_contracts.routes import BILLING_CAPS, BILLING_COMMANDS, RENDER_COMMANDS, SESSION_SAGA
from test_delivery import PRICE, delivered, make_ready, stored_keys, wait_until_ended
from test_delivery import shopper as shopper
from whole_system.broker import rabbitmqctl
from whole_system.waits import becomes
from whole_system.world import World

SLOW = {"X-Atelier-Simulate": "outcome=succeed, delay_ms=60000"}
REPEATED_WITHIN_S = 240.0
"""Messages are sent again at intervals that double: the longer the wipe took, the longer is the next one."""


@asynccontextmanager
async def wiped(world: World, *consumers: str, queues: tuple[str, ...]) -> AsyncIterator[None]:
    """Nothing that is sent to these queues within the block reaches their consumers."""
    for service in consumers:
        await asyncio.to_thread(world.stack.stop_part, service)
    try:
        yield
        await becomes(0, lambda: count_outbox(world))
        for queue in queues:
            await asyncio.to_thread(rabbitmqctl, world.stack, "purge_queue", queue)
    finally:
        for service in consumers:
            await asyncio.to_thread(world.stack.start_part, service)


async def count_outbox(world: World) -> int:
    """Messages of gateway and session that the broker has not confirmed."""
    counts = [await world.databases[name].fetchval("SELECT count(*) FROM outbox") for name in ("gateway", "session")]
    return sum(counts)


@pytest.fixture
async def operator(world: World) -> AsyncIterator[httpx.AsyncClient]:
    """An operator, speaking plain HTTP."""
    headers = {"Authorization": f"Bearer {world.stack.environment()['ATELIER_ADMIN_TOKEN']}"}
    async with httpx.AsyncClient(base_url=world.operations_url, headers=headers, timeout=60, trust_env=False) as client:
        yield client


@pytest.mark.timeout(420)
async def test_a_grant_and_a_cap_that_were_accepted_are_carried_out_once(
    world: World, operator: httpx.AsyncClient
) -> None:
    store = (await world.admin.create_store("Boutique of promises")).id
    owner, key = {"kind": "store", "id": str(store)}, {"Idempotency-Key": f"promise-{uuid4()}"}
    grant = {"owner": owner, "credits": 40, "reason": "monthly"}
    cap = f"/v1/admin/caps/store/{store}"

    async with wiped(world, "billing", queues=(BILLING_COMMANDS, BILLING_CAPS)):
        granted = await operator.post("/v1/admin/credits/grants", json=grant, headers=key)
        capped = await operator.put(f"{cap}/store/{store}/day", json={"credits": 7})

    async def limits() -> list[int]:
        return [each["credits"] for each in (await operator.get(cap)).json()["data"]]

    async def open_commands() -> int:
        query = "SELECT count(*) FROM unconfirmed_messages WHERE confirmed_at IS NULL AND name LIKE 'billing.%'"
        return int(await world.databases["gateway"].fetchval(query))

    assert (granted.status_code, capped.status_code) == (202, 202)
    await becomes([7], limits, within_s=REPEATED_WITHIN_S)
    await becomes(0, open_commands, within_s=REPEATED_WITHIN_S)
    assert (await world.admin.balance("store", store)).available == 40
    told = "SELECT count(*) FROM public_events WHERE type = 'credits.granted.v1' AND subject = $1"
    assert await world.databases["gateway"].fetchval(told, UUID(granted.json()["id"])) == 1


@pytest.mark.timeout(420)
async def test_outputs_that_were_not_delivered_go_although_the_command_is_lost(
    world: World, shopper: httpx.AsyncClient
) -> None:
    ready = await make_ready(shopper, n=2)
    taken = ready["outputs"][1]
    await shopper.get(taken["url"])
    await becomes([1], lambda: delivered(shopper, ready["id"]))

    async with wiped(world, "render", queues=(RENDER_COMMANDS,)):
        await shopper.post(f"/v1/generations/{ready['id']}/cancel")
        ended = await wait_until_ended(shopper, ready["id"])
    kept = await stored_keys(world, ready["id"])

    assert (ended["credits"]["captured"], len(kept)) == (PRICE, 2)
    await becomes({taken["key"]}, lambda: stored_keys(world, ready["id"]), within_s=REPEATED_WITHIN_S)


@pytest.mark.timeout(420)
async def test_a_cancel_that_is_lost_is_carried_out(world: World, shopper: httpx.AsyncClient) -> None:
    image = {"kind": "image", "prompt": "a red bicycle", "size": "256x256"}
    made = (await shopper.post("/v1/generations", json=image, headers=SLOW)).json()
    await becomes("rendering", lambda: read_status(shopper, made["id"]))

    async with wiped(world, "session", queues=(SESSION_SAGA,)):
        await shopper.post(f"/v1/generations/{made['id']}/cancel")

    ended = await wait_until_ended(shopper, made["id"], within_s=REPEATED_WITHIN_S)
    assert (ended["status"], ended["credits"]["captured"]) == ("cancelled", 0)


@pytest.mark.timeout(420)
async def test_a_deletion_that_is_lost_is_carried_out(world: World, shopper: httpx.AsyncClient) -> None:
    image = {"kind": "image", "prompt": "my secret garden", "size": "256x256"}
    made = (await shopper.post("/v1/generations", json=image, headers={"X-Atelier-Simulate": "outcome=succeed"})).json()
    await wait_until_ended(shopper, made["id"])

    async def left() -> list[Any]:
        session = "SELECT request #>> '{spec,prompt}' FROM sagas WHERE generation_id = $1"
        render = "SELECT count(*) FROM artefacts WHERE generation_id = $1"
        queries = {"session": session, "render": render}
        return [await world.databases[name].fetchval(query, UUID(made["id"])) for name, query in queries.items()]

    async with wiped(world, "session", "render", queues=(SESSION_SAGA, RENDER_COMMANDS)):
        deleted = await shopper.delete(f"/v1/generations/{made['id']}")
        known = await left()

    assert deleted.status_code == 204
    assert known == ["my secret garden", 1]
    await becomes([None, 0], left, within_s=REPEATED_WITHIN_S)


async def read_status(shopper: httpx.AsyncClient, id_: str) -> str:
    """As its owner sees it."""
    return str((await shopper.get(f"/v1/generations/{id_}")).json()["status"])

"""Charged on delivery while processes are killed: what was acknowledged is charged once, and nothing else is."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from test_delivery import PRICE, make_ready, wait_until_ended
from test_delivery import shopper as shopper
from whole_system.waits import becomes, eventually
from whole_system.world import World


@pytest.fixture
def failpoints(world: World) -> Iterator[Path]:
    folder = Path(world.stack.environment()["ATELIER_FAILPOINTS"])
    yield folder
    for left in folder.iterdir():
        left.unlink(missing_ok=True)


async def replaced(world: World, service: str, before: int | None) -> None:
    """Until another process of the service is ready."""

    async def is_another() -> bool | None:
        return world.stack.pid(service) not in (before, None) or None

    await eventually(is_another)
    await asyncio.to_thread(world.stack.wait_ready, service)


@pytest.mark.parametrize("step", ["before_commit", "after_commit"])
async def test_an_acknowledgement_whose_gateway_is_killed_is_said_again_and_charged_once(
    world: World, shopper: httpx.AsyncClient, failpoints: Path, step: str
) -> None:
    ready = await make_ready(shopper)
    address, before = f"/v1/generations/{ready['id']}/delivery", world.stack.pid("gateway")
    (failpoints / f"gateway.{step}").write_text("0")

    async def is_dead() -> bool | None:
        with suppress(httpx.HTTPError):
            await shopper.post(address)
        return world.stack.pid("gateway") != before or None

    await eventually(is_dead)
    await replaced(world, "gateway", before)
    again = await shopper.post(address)
    ended = await wait_until_ended(shopper, ready["id"])

    assert again.status_code in (200, 202)
    assert (ended["status"], ended["credits"]["captured"]) == ("succeeded", PRICE)


@pytest.mark.parametrize("service", ["session", "render", "billing"])
async def test_a_window_ends_although_a_service_is_killed_while_it_runs(
    world: World, shopper: httpx.AsyncClient, service: str
) -> None:
    ready = await make_ready(shopper, n=2, delivery_window_s=6)
    await shopper.get(ready["outputs"][1]["url"])

    await world.kill(service)
    ended = await wait_until_ended(shopper, ready["id"])

    assert (ended["status"], ended["credits"]["captured"], ended["credits"]["refunded"]) == ("succeeded", PRICE, PRICE)
    assert [output["key"] for output in ended["outputs"]] == [ready["outputs"][1]["key"]]

    async def kept() -> set[str]:
        found = "SELECT key FROM artefacts WHERE generation_id = $1"
        return {row["key"] for row in await world.databases["render"].fetch(found, UUID(ready["id"]))}

    await becomes({ready["outputs"][1]["key"]}, kept)


async def test_a_delivery_that_the_session_never_hears_of_is_charged_when_its_window_ends(
    world: World, shopper: httpx.AsyncClient
) -> None:
    ready = await make_ready(shopper, delivery_window_s=8)
    gateway = world.databases["gateway"]
    record: dict[str, Any] = {"output": 0, "how": "fetched", "at": "2026-11-30T00:00:00Z"}
    wrote = "UPDATE generations SET handover = jsonb_set(handover, '{delivered}', $2::jsonb) WHERE id = $1"
    # As it is where the message was lost with the broker's disk.
    await gateway.execute(wrote, UUID(ready["id"]), json.dumps([record]))

    ended = await wait_until_ended(shopper, ready["id"])

    assert (ended["status"], ended["credits"]["captured"]) == ("succeeded", PRICE)

"""Outputs on the running system: read, delivered again for a credit, deleted with everything they had."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import httpx
import pytest

from whole_system.waits import eventually
from whole_system.world import World

IMAGE = {"kind": "image", "prompt": "a bicycle by the lake", "size": "512x512", "n": 2}
PRICE = 10
DRAWN = {"X-Atelier-Simulate": "outcome=succeed"}


@pytest.fixture
async def shopper(world: World) -> AsyncIterator[httpx.AsyncClient]:
    """A store with 1 000 credits, speaking plain HTTP."""
    made = await world.admin.create_store("Picture boutique")
    await world.admin.grant("store", made.id, 1_000, reason="test")
    headers = {"X-API-Key": made.api_key}
    async with httpx.AsyncClient(base_url=world.url, headers=headers, timeout=60, trust_env=False) as client:
        yield client


async def run_to_end(shopper: httpx.AsyncClient, **changes: Any) -> dict[str, Any]:
    made = await shopper.post("/v1/generations", json=IMAGE | changes, headers=DRAWN | {"Prefer": "wait=30"})
    assert (made.status_code, made.json()["status"]) == (200, "succeeded"), made.text
    found: dict[str, Any] = made.json()
    return found


async def test_an_equal_result_is_delivered_again_for_a_credit_each_and_the_receipt_says_so(
    shopper: httpx.AsyncClient,
) -> None:
    first = await run_to_end(shopper)

    again = await run_to_end(shopper, reuse=True)

    receipt = (await shopper.get(f"/v1/generations/{again['id']}/receipt")).json()
    story = (await shopper.get(f"/v1/generations/{again['id']}/explain")).json()
    assert (first["reused"], first["credits"]["captured"]) == (False, PRICE)
    assert (again["reused"], again["credits"]) == (
        True,
        {"reserved": PRICE, "captured": 2, "refunded": PRICE - 2, "returned": 0},
    )
    assert (receipt["reused"], receipt["credits"]["captured"]) == (True, 2)
    assert [output["checksum"] for output in again["outputs"]] == [output["checksum"] for output in first["outputs"]]
    assert not {output["key"] for output in again["outputs"]} & {output["key"] for output in first["outputs"]}
    assert "2 credits were charged" in {step["what"] for step in story["steps"]}
    assert "succeeded with an earlier result that was delivered again" in story["summary"]


async def test_an_output_shows_what_it_looks_like_and_is_deleted_with_its_thumbnail(
    world: World, shopper: httpx.AsyncClient
) -> None:
    made = await run_to_end(shopper, n=1)
    (output,) = made["outputs"]
    async with httpx.AsyncClient(trust_env=False) as anybody:
        small = await anybody.get(output["thumbnail"])
        deleted = await shopper.delete(f"/v1/generations/{made['id']}")
        gone = [(await anybody.get(output[name])).status_code for name in ("url", "thumbnail")]

    assert (small.status_code, small.headers["Content-Type"], small.content[8:12]) == (200, "image/webp", b"WEBP")
    assert {"image", "png", "square", "simulator", "bicycle", "lake"} <= set(output["tags"])
    assert 1 <= len(output["colours"]) <= 5
    assert (deleted.status_code, gone) == (204, [404, 404])

    async def find_deletion_step() -> str | None:
        story = await world.admin.explain(made["id"])
        return next((step["what"] for step in story["steps"] if "deleted" in step["what"]), None)

    assert await eventually(find_deletion_step) == "outputs deleted (1): their owner deleted the generation"
    kept = await world.databases["render"].fetchval(
        "SELECT count(*) FROM artefacts WHERE generation_id = $1", UUID(made["id"])
    )
    assert kept == 0

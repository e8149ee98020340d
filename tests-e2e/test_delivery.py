"""Charged on delivery, on the running system: each way to take an output, and how a delivery ends without it."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import httpx
import pytest

from atelier_storage.objects import ObjectStore
from atelier_storage.settings import StorageSettings
from test_webhooks import receiver as receiver
from whole_system.waits import PATIENCE_S, NotYet, becomes, eventually
from whole_system.webhook_receiver import Receiver
from whole_system.world import World

IMAGE = {"kind": "image", "prompt": "a red bicycle", "size": "256x256", "charge": "on_delivery"}
PRICE, CREDITS = 3, 1_000
READY = {"X-Atelier-Simulate": "outcome=succeed", "Prefer": "wait=30"}


@pytest.fixture
async def shopper(world: World) -> AsyncIterator[httpx.AsyncClient]:
    """A store with credits, speaking plain HTTP."""
    made = await world.admin.create_store("Boutique of deliveries")
    await world.admin.grant("store", made.id, CREDITS, reason="test")
    headers = {"X-API-Key": made.api_key}
    async with httpx.AsyncClient(base_url=world.url, headers=headers, timeout=60, trust_env=False) as client:
        yield client


async def make_ready(shopper: httpx.AsyncClient, **changes: Any) -> dict[str, Any]:
    """A generation whose outputs can be taken."""
    made = await shopper.post("/v1/generations", json=IMAGE | changes, headers=READY)
    shown: dict[str, Any] = made.json()
    assert (made.status_code, shown["status"]) == (200, "delivering"), made.text
    return shown


async def read(shopper: httpx.AsyncClient, id_: str) -> dict[str, Any]:
    found: dict[str, Any] = (await shopper.get(f"/v1/generations/{id_}")).json()
    return found


async def delivered(shopper: httpx.AsyncClient, id_: str) -> list[int]:
    """The outputs that were taken: written down once the last byte has gone out."""
    return [each["output"] for each in (await read(shopper, id_))["delivery"]["delivered"]]


async def wait_until_ended(shopper: httpx.AsyncClient, id_: str, *, within_s: float = PATIENCE_S) -> dict[str, Any]:
    async def look() -> dict[str, Any] | NotYet:
        now = await read(shopper, id_)
        return now if now["ended_at"] else NotYet(now["status"])

    return await eventually(look, within_s=within_s)


async def balance(shopper: httpx.AsyncClient) -> dict[str, int]:
    found: dict[str, int] = (await shopper.get("/v1/credits")).json()
    return found


async def stored_keys(world: World, id_: str) -> set[str]:
    """The keys of the generation's outputs that render has on record, of those whose objects are there."""
    rows = await world.databases["render"].fetch("SELECT key FROM artefacts WHERE generation_id = $1", UUID(id_))
    return {row["key"] for row in rows}


async def wait_until_withdrawn(world: World, key: str) -> None:
    """Until the object is gone from the store."""
    known = world.stack.environment()
    names = {"ATELIER_S3_ENDPOINT", "ATELIER_S3_ACCESS_KEY", "ATELIER_S3_SECRET_KEY", "ATELIER_S3_BUCKET"}
    settings = {name.removeprefix("ATELIER_S3_").lower(): known[name] for name in names}
    objects = ObjectStore(StorageSettings.model_validate(settings))

    async def is_gone() -> bool:
        page = await objects.list_page(key.rsplit("/", 1)[0] + "/", after="", limit=100)
        return key not in {each.key for each in page}

    try:
        await becomes(True, is_gone)
    finally:
        objects.close()


async def test_each_output_that_is_fetched_whole_is_charged_and_the_receipt_says_when(
    world: World, shopper: httpx.AsyncClient
) -> None:
    ready = await make_ready(shopper, n=2)
    before = await balance(shopper)

    bodies = [await shopper.get(output["url"]) for output in ready["outputs"][:1]]
    await becomes([0], lambda: delivered(shopper, ready["id"]))
    part = await read(shopper, ready["id"])
    bodies += [await shopper.get(output["url"]) for output in ready["outputs"][1:]]
    ended = await wait_until_ended(shopper, ready["id"])
    receipt = (await shopper.get(f"/v1/generations/{ready['id']}/receipt")).json()
    again = await shopper.get(ready["outputs"][0]["url"])

    assert (before["held"], before["captured"]) == (2 * PRICE, 0)
    assert [f"sha256:{hashlib.sha256(body.content).hexdigest()}" for body in bodies] == [
        output["checksum"] for output in ready["outputs"]
    ]
    assert (part["status"], part["credits"]["captured"]) == ("delivering", 0)
    assert (ended["status"], ended["credits"]["captured"]) == ("succeeded", 2 * PRICE)
    assert [each["how"] for each in receipt["delivery"]["delivered"]] == ["fetched", "fetched"]
    assert [each["delivered_by"] for each in await signed_outputs(shopper, ready["id"])] == ["fetched", "fetched"]
    assert again.content == bodies[0].content


async def signed_outputs(shopper: httpx.AsyncClient, id_: str) -> list[dict[str, Any]]:
    async def look() -> list[dict[str, Any]] | None:
        signed = (await shopper.get(f"/v1/generations/{id_}/receipt")).json()["signed"]
        return signed["receipt"]["outputs"] if signed else None

    return await eventually(look)


async def test_before_its_charge_no_url_leads_past_the_gateway(shopper: httpx.AsyncClient, world: World) -> None:
    ready = await make_ready(shopper)
    listed = (await shopper.get("/v1/generations?status=delivering")).json()["data"]
    async with httpx.AsyncClient(trust_env=False) as stranger:
        refused = await stranger.get(ready["outputs"][0]["url"])

    [output] = ready["outputs"]
    assert output["url"] == f"{world.url}/v1/generations/{ready['id']}/outputs/0"
    assert output["thumbnail"] is None
    assert [generation["outputs"] for generation in listed] == [ready["outputs"]]
    assert refused.status_code == 401
    reuse = {"kind": "image", "inputs": [{"role": "image", "key": output["key"]}], "prompt": "the same in blue"}
    assert (await shopper.post("/v1/generations", json=reuse)).status_code == 400
    assert (await balance(shopper))["captured"] == 0


async def test_what_is_acknowledged_is_charged_once_however_often_it_is_said(shopper: httpx.AsyncClient) -> None:
    ready = await make_ready(shopper, n=2)
    address, keyed = f"/v1/generations/{ready['id']}/delivery", {"Idempotency-Key": "arrived"}

    part = await shopper.post(address, json={"outputs": [1]})
    first = await shopper.post(address, headers=keyed)
    ended = await wait_until_ended(shopper, ready["id"])
    replayed = await shopper.post(address, headers=keyed)
    again = await shopper.post(address)

    assert (part.status_code, part.json()["status"]) == (202, "delivering")
    assert first.status_code in (200, 202)
    assert replayed.content == first.content
    assert (again.status_code, again.json()["status"]) == (200, "succeeded")
    assert ended["credits"] == {"reserved": 2 * PRICE, "captured": 2 * PRICE, "refunded": 0, "returned": 0}
    assert (await balance(shopper))["captured"] == 2 * PRICE


async def test_the_requests_own_webhook_takes_the_outputs_and_another_endpoint_does_not(
    shopper: httpx.AsyncClient, receiver: Receiver
) -> None:
    await shopper.post("/v1/webhooks", json={"url": f"{receiver.url}/endpoint"})
    untaken = await make_ready(shopper)

    async def is_told() -> bool | None:
        return "generation.delivering" in receiver.bodies_at("/endpoint") or None

    await eventually(is_told)
    taken = await make_ready(shopper, webhook_url=f"{receiver.url}/single")
    ended = await wait_until_ended(shopper, taken["id"])

    async def are_both_told() -> list[str] | None:
        types = receiver.bodies_at("/single")
        return types if len(types) == 2 else None

    assert await eventually(are_both_told) == ["generation.delivering", "generation.succeeded"]
    assert (ended["status"], ended["credits"]["captured"]) == ("succeeded", PRICE)
    assert [each["how"] for each in ended["delivery"]["delivered"]] == ["webhook"]
    assert (await read(shopper, untaken["id"]))["status"] == "delivering"


async def test_what_nobody_takes_is_refunded_and_withdrawn_when_its_window_has_passed(
    world: World, shopper: httpx.AsyncClient
) -> None:
    ready = await make_ready(shopper, delivery_window_s=3)

    ended = await wait_until_ended(shopper, ready["id"])
    late = await shopper.post(f"/v1/generations/{ready['id']}/delivery")
    fetched = await shopper.get(ready["outputs"][0]["url"])
    story = (await shopper.get(f"/v1/generations/{ready['id']}/explain")).json()

    assert (ended["status"], ended["error"]["code"]) == ("expired", "delivery_window_passed")
    assert ended["credits"] == {"reserved": PRICE, "captured": 0, "refunded": PRICE, "returned": 0}
    assert ended["outputs"] == []
    assert (late.status_code, fetched.status_code) == (409, 404)
    assert any("outputs can be taken" in step["what"] for step in story["steps"])
    await becomes(set(), lambda: stored_keys(world, ready["id"]))
    await wait_until_withdrawn(world, ready["outputs"][0]["key"])


@pytest.mark.parametrize("closing", ["window", "cancel"])
async def test_of_what_was_taken_in_part_the_rest_is_refunded_and_withdrawn(
    world: World, shopper: httpx.AsyncClient, closing: str
) -> None:
    ready = await make_ready(shopper, n=2, **({"delivery_window_s": 4} if closing == "window" else {}))
    first, second = ready["outputs"]

    await shopper.get(second["url"])
    await becomes([1], lambda: delivered(shopper, ready["id"]))
    if closing == "cancel":
        await shopper.post(f"/v1/generations/{ready['id']}/cancel")
    ended = await wait_until_ended(shopper, ready["id"])
    statuses = [(await shopper.get(output["url"])).status_code for output in (first, second)]

    assert ended["status"] == "succeeded"
    assert ended["credits"] == {"reserved": 2 * PRICE, "captured": PRICE, "refunded": PRICE, "returned": 0}
    assert [output["key"] for output in ended["outputs"]] == [second["key"]]
    assert statuses == [404, 200]
    await becomes({second["key"]}, lambda: stored_keys(world, ready["id"]))
    await wait_until_withdrawn(world, first["key"])


async def test_a_cancel_before_the_delivery_refunds_and_withdraws_everything(
    world: World, shopper: httpx.AsyncClient
) -> None:
    ready = await make_ready(shopper)

    cancelled = await shopper.post(f"/v1/generations/{ready['id']}/cancel")
    ended = await wait_until_ended(shopper, ready["id"])
    fetched = await shopper.get(ready["outputs"][0]["url"])

    assert cancelled.status_code in (200, 202)
    assert (ended["status"], ended["credits"]["refunded"]) == ("cancelled", PRICE)
    assert fetched.status_code == 404
    await becomes(set(), lambda: stored_keys(world, ready["id"]))


async def test_acknowledgements_that_race_with_the_end_of_the_window_are_charged_or_refused(
    shopper: httpx.AsyncClient,
) -> None:
    ready = await asyncio.gather(*(make_ready(shopper, delivery_window_s=4) for _ in range(12)))

    async def acknowledge(number: int, id_: str) -> int:
        await asyncio.sleep(number * 0.5)
        return (await shopper.post(f"/v1/generations/{id_}/delivery")).status_code

    answers = await asyncio.gather(*(acknowledge(number, each["id"]) for number, each in enumerate(ready)))
    ends = [await wait_until_ended(shopper, each["id"]) for each in ready]

    assert set(answers) <= {200, 202, 409}
    for answer, end in zip(answers, ends, strict=True):
        expected = ("expired", 0) if answer == 409 else ("succeeded", PRICE)
        assert (end["status"], end["credits"]["captured"]) == expected
    assert (await balance(shopper))["held"] == 0


async def test_a_window_longer_than_the_installation_allows_is_refused(shopper: httpx.AsyncClient) -> None:
    refused = await shopper.post("/v1/generations", json=IMAGE | {"delivery_window_s": 86_401})
    without = await shopper.post("/v1/generations", json=IMAGE | {"charge": "on_completion", "delivery_window_s": 60})

    assert (refused.status_code, without.status_code) == (400, 400)
    assert (await balance(shopper))["held"] == 0

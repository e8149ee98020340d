"""The native surface on the running system: once a key, stopped in every state, deleted for good, streamed live."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from whole_system.waits import NotYet, becomes, eventually
from whole_system.world import World

IMAGE = {"kind": "image", "prompt": "a red bicycle", "size": "256x256"}
PRICE = 3
SIMULATE = "X-Atelier-Simulate"
SUCCEED = {SIMULATE: "outcome=succeed"}
SLOW = {SIMULATE: "outcome=succeed, delay_ms=60000, picture=none"}
FOUND = {"gateway": "generations", "session": "sagas", "billing": "holds", "render": "jobs"}


@pytest.fixture
async def shopper(world: World) -> AsyncIterator[httpx.AsyncClient]:
    """A store with 1 000 credits, speaking plain HTTP."""
    made = await world.admin.create_store("Native boutique")
    await world.admin.grant("store", made.id, 1_000, reason="test")
    headers = {"X-API-Key": made.api_key}
    async with httpx.AsyncClient(base_url=world.url, headers=headers, timeout=60, trust_env=False) as client:
        yield client


async def create(shopper: httpx.AsyncClient, headers: dict[str, str], **changes: Any) -> str:
    made = await shopper.post("/v1/generations", json=IMAGE | changes, headers=headers)
    assert made.status_code == 201, made.text
    return str(made.json()["id"])


async def wait_for_status(shopper: httpx.AsyncClient, id_: str, *statuses: str) -> dict[str, Any]:
    async def find_status() -> dict[str, Any] | NotYet:
        found: dict[str, Any] = (await shopper.get(f"/v1/generations/{id_}")).json()
        return found if found["status"] in statuses else NotYet(found["status"])

    return await eventually(find_status)


async def wait_for_saga(world: World, id_: str, state: str) -> None:
    async def saga_state() -> object:
        return await world.databases["session"].fetchval("SELECT state FROM sagas WHERE generation_id = $1", UUID(id_))

    await becomes(state, saga_state)


async def balance(shopper: httpx.AsyncClient) -> dict[str, int]:
    found: dict[str, int] = (await shopper.get("/v1/credits")).json()
    return found


@asynccontextmanager
async def freeze(world: World, part: str) -> AsyncIterator[None]:
    """The service neither answers nor dies."""
    world.stack.kill(part, signal.SIGSTOP)
    try:
        yield
    finally:
        world.stack.kill(part, signal.SIGCONT)


async def test_a_hundred_equal_posts_at_once_are_one_generation_one_hold_and_one_job(
    world: World, shopper: httpx.AsyncClient
) -> None:
    keyed = SUCCEED | {"Idempotency-Key": str(uuid4())}
    before = await world.rows()

    replies = await asyncio.gather(*(shopper.post("/v1/generations", json=IMAGE, headers=keyed) for _ in range(100)))

    [id_] = {reply.json()["id"] for reply in replies if reply.status_code == 201}
    assert {reply.status_code for reply in replies} <= {201, 409}
    assert len({reply.content for reply in replies if reply.status_code == 201}) == 1
    await wait_for_status(shopper, id_, "succeeded")
    after = await world.rows()
    for service, table in FOUND.items():
        assert after[f"{service}.{table}"] - before[f"{service}.{table}"] == 1, table
    assert (await balance(shopper))["captured"] == PRICE


async def test_who_likes_to_wait_gets_the_pictures_in_the_reply(shopper: httpx.AsyncClient) -> None:
    done = await shopper.post("/v1/generations", json=IMAGE | {"n": 2}, headers=SUCCEED | {"Prefer": "wait=30"})

    assert (done.status_code, done.json()["status"]) == (200, "succeeded")
    assert len(done.json()["outputs"]) == 2
    assert done.json()["credits"] == {"reserved": 2 * PRICE, "captured": 2 * PRICE, "refunded": 0, "returned": 0}


@pytest.mark.parametrize("status", ["queued", "rendering"])
async def test_what_has_not_been_delivered_is_cancelled_and_paid_back(
    world: World, shopper: httpx.AsyncClient, status: str
) -> None:
    if status == "queued":
        async with freeze(world, "render"):
            id_ = await create(shopper, SLOW)
            stopping = await shopper.post(f"/v1/generations/{id_}/cancel")
        assert stopping.status_code == 202
    else:
        id_ = await create(shopper, SLOW)
        await wait_for_status(shopper, id_, "rendering")
        stopping = await shopper.post(f"/v1/generations/{id_}/cancel")
        assert stopping.status_code in (200, 202)

    ended = await wait_for_status(shopper, id_, "cancelled")
    assert ended["credits"] == {"reserved": PRICE, "captured": 0, "refunded": PRICE, "returned": 0}
    assert (await balance(shopper))["available"] == 1_000
    assert (await shopper.post(f"/v1/generations/{id_}/cancel")).status_code == 409


async def test_a_cancel_while_credits_are_being_reserved_gives_them_back(
    world: World, shopper: httpx.AsyncClient
) -> None:
    async with freeze(world, "billing"):
        id_ = await create(shopper, SLOW)
        await wait_for_saga(world, id_, "reserving")
        stopping = await shopper.post(f"/v1/generations/{id_}/cancel")
        assert (stopping.status_code, stopping.json()["status"]) == (202, "queued")

    await wait_for_status(shopper, id_, "cancelled")
    now = await balance(shopper)
    assert (now["available"], now["held"]) == (1_000, 0)


async def test_a_cancel_while_it_is_being_charged_comes_too_late(world: World, shopper: httpx.AsyncClient) -> None:
    id_ = await create(shopper, {SIMULATE: "outcome=succeed, delay_ms=1500"})
    async with freeze(world, "billing"):
        await wait_for_saga(world, id_, "capturing")
        stopping = await shopper.post(f"/v1/generations/{id_}/cancel")
        assert stopping.status_code == 202

    ended = await wait_for_status(shopper, id_, "succeeded", "cancelled")
    assert (ended["status"], ended["credits"]["captured"], len(ended["outputs"])) == ("succeeded", PRICE, 1)


async def test_what_is_deleted_is_gone_with_its_pictures_and_its_charge_stays(shopper: httpx.AsyncClient) -> None:
    id_ = await create(shopper, {SIMULATE: "outcome=succeed, delay_ms=1000"})
    early = await shopper.delete(f"/v1/generations/{id_}")
    [output] = (await wait_for_status(shopper, id_, "succeeded"))["outputs"]
    async with httpx.AsyncClient(trust_env=False) as anybody:
        assert (await anybody.get(output["url"])).status_code == 200

        deleted = await shopper.delete(f"/v1/generations/{id_}")

        assert (await anybody.get(output["url"])).status_code == 404
    assert (early.status_code, deleted.status_code) == (409, 204)
    assert (await shopper.get(f"/v1/generations/{id_}")).status_code == 404
    assert (await balance(shopper))["captured"] == PRICE


async def test_a_generation_is_followed_live_and_taken_up_again(shopper: httpx.AsyncClient) -> None:
    id_ = await create(shopper, {SIMULATE: "outcome=succeed, delay_ms=1000"})
    path = f"/v1/generations/{id_}/events"

    whole = await read_events(shopper, path)
    rest = await read_events(shopper, path, str(whole[0][0]))

    assert [event for _, event, _ in whole][-1] == "succeeded"
    assert "rendering" in [event for _, event, _ in whole]
    assert len(whole[-1][2]["outputs"]) == 1
    assert [id_ for id_, *_ in rest] == [id_ for id_, *_ in whole[1:]]


async def read_events(shopper: httpx.AsyncClient, path: str, last_id: str | None = None) -> list[tuple[Any, str, Any]]:
    told = []
    resumed = {"Last-Event-ID": last_id} if last_id else {}
    async with shopper.stream("GET", path, headers=resumed) as stream:
        assert stream.status_code == 200
        fields: dict[str, str] = {}
        async for line in stream.aiter_lines():
            name, _, value = line.partition(": ")
            if line:
                fields[name] = value
            else:
                if "data" in fields:
                    told.append((fields.get("id"), fields["event"], json.loads(fields["data"])))
                fields = {}
    return told


async def test_quote_receipt_statement_and_story_agree(shopper: httpx.AsyncClient) -> None:
    body = IMAGE | {"n": 4}
    quote = (await shopper.post("/v1/quotes", json=body)).json()
    id_ = await create(shopper, {SIMULATE: "outcome=partial:3"}, n=4)
    await wait_for_status(shopper, id_, "succeeded")

    receipt = (await shopper.get(f"/v1/generations/{id_}/receipt")).json()
    entries = (await shopper.get("/v1/credits/entries?limit=2")).json()
    rest = (await shopper.get(f"/v1/credits/entries?cursor={entries['next_cursor']}")).json()
    story = (await shopper.get(f"/v1/generations/{id_}/explain")).json()

    assert quote["credits"] == receipt["credits"]["reserved"] == 4 * PRICE
    assert receipt["credits"] == {"reserved": 12, "captured": 9, "refunded": 3, "returned": 0}
    told = [(entry["kind"], entry["credits"]) for entry in [*entries["data"], *rest["data"]]]
    assert sorted(told) == [("capture", 9), ("grant", 1_000), ("refund", 3), ("reserve", 12)]
    assert {entry["generation_id"] for entry in [*entries["data"], *rest["data"]]} == {id_, None}
    steps = [step["what"] for step in story["steps"]]
    assert "12 credits were held" in steps and "9 credits were charged" in steps
    assert story["status"] == "succeeded"


async def test_who_waits_is_told_its_place(shopper: httpx.AsyncClient) -> None:
    ids = [await create(shopper, SLOW) for _ in range(14)]
    try:
        last = (await shopper.get(f"/v1/generations/{ids[-1]}")).json()
        place = await eventually(lambda: queue_position(shopper, ids[-1]))
        assert last["status"] in ("queued", "rendering")
        assert 1 <= place <= 14
    finally:
        await asyncio.gather(*(shopper.post(f"/v1/generations/{id_}/cancel") for id_ in ids))
    for id_ in ids:
        await wait_for_status(shopper, id_, "cancelled")


async def queue_position(shopper: httpx.AsyncClient, id_: str) -> int | None:
    position: int | None = (await shopper.get(f"/v1/generations/{id_}")).json()["queue_position"]
    return position

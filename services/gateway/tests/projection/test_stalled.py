"""A lost event loses no generation: a stalled one is fetched from the session, shown, and published to streams."""

from typing import Any
from uuid import UUID

import pytest

from atelier_contracts import (
    GenerationQueued,
    GenerationRequested,
    GenerationSucceeded,
    Message,
    wrap,
)
from atelier_messaging import outbox

from ..support.world import Headers, World

pytestmark = pytest.mark.stack


async def stand_still(world: World, headers: Headers | None = None) -> UUID:
    """A generation that is queued and without news for an hour."""
    if headers is None:
        _, headers = await world.store()
    id_ = UUID((await world.create(headers)).json()["data"]["session_id"])

    async def is_queued() -> bool:
        sent = not await world.pool.fetchval("SELECT count(*) FROM outbox")
        return sent and (await state_and_charge(world, id_))[0] == "queued"

    await world.until(is_queued)
    await world.pool.execute("UPDATE generations SET updated_at = now() - interval '1 hour' WHERE id = $1", id_)
    return id_


async def check_twice(world: World, id_: UUID) -> None:
    """What the session does not know counts as lost when it says so again."""
    for _ in range(2):
        await world.pool.execute("UPDATE generations SET checked_at = NULL WHERE id = $1", id_)
        await world.container.recovery.check()


def success_of(id_: UUID) -> Message:
    return GenerationSucceeded(generation_id=id_, outputs=(), delivered=1, captured=1, refunded=0, provider="simulator")


async def state_and_charge(world: World, id_: UUID) -> tuple[str, int]:
    row = await world.pool.fetchrow("SELECT state, credits_captured FROM generations WHERE id = $1", id_)
    assert row is not None
    return row["state"], row["credits_captured"]


async def test_a_lost_end_is_asked_for_and_shown_and_followed(world: World) -> None:
    id_ = await stand_still(world)
    world.neighbours.standing[id_] = [success_of(id_)]

    await world.container.recovery.check()

    assert await state_and_charge(world, id_) == ("succeeded", 1)
    events = "SELECT state FROM generation_events WHERE generation_id = $1 ORDER BY id"
    assert [row["state"] for row in await world.pool.fetch(events, id_)][-1] == "succeeded"


async def test_a_lost_end_is_told_by_webhook(world: World) -> None:
    _, headers = await world.store()
    endpoint = {"url": "https://hooks.shop-pictures.net/atelier"}
    assert (await world.client.post("/v1/webhooks", headers=headers, json=endpoint)).status_code == 201
    id_ = await stand_still(world, headers)
    world.neighbours.standing[id_] = [success_of(id_)]

    await world.container.recovery.check()

    told = await world.pool.fetch("SELECT type FROM webhook_deliveries WHERE generation_id = $1", id_)
    assert "generation.succeeded" in {row["type"] for row in told}


async def test_the_event_that_comes_after_all_changes_nothing(world: World) -> None:
    id_ = await stand_still(world)
    world.neighbours.standing[id_] = [GenerationQueued(generation_id=id_, credits=1), success_of(id_)]
    await world.container.recovery.check()
    before = await world.pool.fetchval("SELECT count(*) FROM generation_events WHERE generation_id = $1", id_)

    await world.neighbours.say(success_of(id_))
    other = await stand_still(world)
    await world.neighbours.say(success_of(other))

    async def has_succeeded() -> bool:
        return (await state_and_charge(world, other))[0] == "succeeded"

    await world.until(has_succeeded)
    assert await state_and_charge(world, id_) == ("succeeded", 1)
    after = await world.pool.fetchval("SELECT count(*) FROM generation_events WHERE generation_id = $1", id_)
    assert before == after


async def test_a_request_the_session_never_got_ends_without_a_charge_and_can_never_begin(world: World) -> None:
    id_ = await stand_still(world)

    await check_twice(world, id_)

    assert await state_and_charge(world, id_) == ("failed", 0)
    assert id_ in world.neighbours.tombstones


@pytest.mark.parametrize(
    ("hold", "end"),
    [
        ({"state": "open", "credits": 1}, ("failed", [True])),
        ({"state": "captured", "credits": 1}, ("queued", [])),
    ],
)
async def test_what_the_session_lost_while_credits_were_held_is_refunded_and_what_is_charged_is_not_called_free(
    world: World, hold: dict[str, Any], end: tuple[str, list[bool]]
) -> None:
    id_ = await stand_still(world)
    world.neighbours.records[f"holds/{id_}"] = hold

    await check_twice(world, id_)

    state, refunds = end
    assert (await state_and_charge(world, id_))[0] == state
    assert [refund == id_ for refund in world.neighbours.refunds] == refunds
    world.neighbours.refunds.clear()


async def test_what_was_accepted_while_the_session_was_away_is_not_lost_because_it_comes_to_it_late(
    world: World,
) -> None:
    id_ = await stand_still(world)

    await world.container.recovery.check()
    first = await state_and_charge(world, id_)
    world.neighbours.standing[id_] = []
    await world.pool.execute("UPDATE generations SET checked_at = NULL WHERE id = $1", id_)
    await world.container.recovery.check()
    del world.neighbours.standing[id_]
    await world.pool.execute("UPDATE generations SET checked_at = NULL WHERE id = $1", id_)
    await world.container.recovery.check()

    assert first == await state_and_charge(world, id_) == ("queued", 0)
    assert id_ not in world.neighbours.tombstones


async def test_while_billing_is_silent_nothing_is_said_of_what_the_session_lost(world: World) -> None:
    id_ = await stand_still(world)
    world.neighbours.broken.add("holds")

    await check_twice(world, id_)

    assert (await state_and_charge(world, id_))[0] == "queued"
    assert id_ not in world.neighbours.tombstones


async def test_a_request_that_still_waits_in_the_outbox_is_late_and_not_lost(world: World) -> None:
    id_ = await stand_still(world)
    async with world.pool.acquire() as connection:
        request = next(
            envelope.message
            for envelope in world.neighbours.heard
            if isinstance(envelope.message, GenerationRequested) and envelope.message.generation_id == id_
        )
        await outbox.save(connection, [wrap(request, source="atelier/gateway")])

    await check_twice(world, id_)

    assert (await state_and_charge(world, id_))[0] in ("accepted", "queued")
    assert id_ not in world.neighbours.tombstones


async def test_a_generation_is_asked_about_once_in_its_time_whatever_the_answer(world: World) -> None:
    id_ = await stand_still(world)
    world.neighbours.standing[id_] = []
    await world.container.recovery.check()
    world.neighbours.standing[id_] = [success_of(id_)]

    await world.container.recovery.check()

    assert (await state_and_charge(world, id_))[0] != "succeeded"


async def test_a_session_that_does_not_answer_leaves_everything_as_it_is(world: World) -> None:
    id_ = await stand_still(world)
    before = await state_and_charge(world, id_)
    world.neighbours.broken.add("standing")

    await world.container.recovery.check()

    assert await state_and_charge(world, id_) == before

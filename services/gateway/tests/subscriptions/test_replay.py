"""Replays on a real broker and a real log: nothing is left out, and no other subscriber waits."""

from datetime import UTC, datetime, timedelta

import pytest

from atelier_messaging import subscriptions

from ..support.world import ADMIN, World
from .subscribers import (
    PATH,
    create,
    fill_log,
    has_begun,
    position_of,
    receive,
    receive_types,
    receive_until,
    shows,
    subscribe,
    view_of,
)

pytestmark = pytest.mark.stack
REPLAYED = 20_000
SEVERAL_WINDOWS = 2_100
FULL_AT = 600


async def test_a_replay_goes_to_one_subscriber_with_the_same_ids(world: World, broker: str) -> None:
    await subscribe(world, broker, "first")
    await subscribe(world, broker, "second")
    await create(world)
    before = [message.message_id for message in await receive(broker, "first", 2)]
    await world.until(lambda: shows(world, "second", behind=0, queued=2))

    await world.client.post(f"{PATH}/first/replay", headers=ADMIN, json={"from_beginning": True})

    assert [message.message_id for message in await receive(broker, "first", 2)] == before
    assert (await view_of(world, "second"))["queued"] == 2


async def test_a_long_replay_holds_up_no_other_subscriber(world: World, broker: str) -> None:
    _, head = await fill_log(world, broker, REPLAYED)

    await subscribe(world, broker, "second", start={"from_beginning": True})
    await world.until(lambda: has_begun(world, head - REPLAYED))
    await create(world)
    await receive_types(broker, "first", 2)

    assert await position_of(world, "second") < head

    async def is_over() -> bool:
        return await position_of(world, "second") >= head

    await world.until(is_over)


async def test_a_replay_that_is_begun_again_in_the_middle_leaves_nothing_out(world: World, broker: str) -> None:
    first, head = await fill_log(world, broker, SEVERAL_WINDOWS)
    whole = list(range(first, head + 1))
    await subscribe(world, broker, "second", start={"from_beginning": True})
    await world.until(lambda: has_begun(world, first))

    await world.client.post(f"{PATH}/second/replay", headers=ADMIN, json={"from_beginning": True})
    await world.until(lambda: shows(world, "second", behind=0))

    queued = (await view_of(world, "second"))["queued"]
    received = [int(str(each.headers["cloudEvents:sequence"])) for each in await receive(broker, "second", queued)]
    again = len(received) - len(whole)
    assert received[:again] == whole[:again]
    assert received[again:] == whole


async def test_a_queue_that_fills_in_the_middle_of_a_turn_loses_no_event(
    world: World, broker: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, head = await fill_log(world, broker, SEVERAL_WINDOWS)
    # Of the queue alone: who publishes to it believes in more room.
    monkeypatch.setattr(subscriptions, "MESSAGES_MAX", FULL_AT)

    await subscribe(world, broker, "second", start={"from_beginning": True})
    await world.until(lambda: has_begun(world, first))
    cut_at = await position_of(world, "second")
    await receive_until(broker, "second", set(range(first, head + 1)))

    assert cut_at < head
    await world.until(lambda: shows(world, "second", behind=0))


async def test_a_replay_begins_after_an_event_or_at_a_time(world: World, broker: str) -> None:
    await subscribe(world, broker, "first")
    first, second = await create(world), await create(world)
    messages = await receive(broker, "first", 4)
    assert {str(message.headers["cloudEvents:subject"]) for message in messages} == {str(first), str(second)}

    await world.client.post(f"{PATH}/first/replay", headers=ADMIN, json={"after": messages[1].message_id})
    again = [message.message_id for message in await receive(broker, "first", 2)]
    assert again == [message.message_id for message in messages[2:]]

    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    view = (await world.client.post(f"{PATH}/first/replay", headers=ADMIN, json={"since": later})).json()
    assert view["behind"] == 0

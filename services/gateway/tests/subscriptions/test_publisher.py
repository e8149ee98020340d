"""Subscriptions on a real broker and a real log: what each queue receives, and that none waits for another."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import aio_pika
import pytest
from uuid_utils.compat import uuid7

from atelier_contracts import GenerationSucceeded
from atelier_contracts.public_events import subscription_queue
from atelier_contracts.value_objects import id_of_test_account
from atelier_messaging import subscriptions
from atelier_messaging.subscriptions import declare_subscription, delete_subscription

from ..support.world import ADMIN, World

pytestmark = pytest.mark.stack
PATH = "/v1/admin/subscriptions"
QUEUED = ["credits.held.v1", "generation.queued.v1"]
REPLAYED = 20_000
SEVERAL_WINDOWS = 2_100
FULL_AT = 600
COPIES = """
WITH head AS (UPDATE public_event_head SET position = position + $1::int RETURNING position - $1::int AS before)
INSERT INTO public_events (position, id, type, subject, at, traceparent, data)
SELECT head.before + n, gen_random_uuid(), 'generation.started.v1', e.subject, e.at, e.traceparent, e.data
FROM head, generate_series(1, $1::int) AS n, (SELECT * FROM public_events ORDER BY position DESC LIMIT 1) AS e
"""
"""So many events of a type that the first subscriber does not receive."""


@pytest.fixture
async def broker(server_urls: tuple[str, str], world: World) -> AsyncIterator[str]:
    """The operator's address; the queues of these tests are deleted afterwards."""
    await world.pool.execute("DELETE FROM subscriptions; DELETE FROM public_events")
    yield server_urls[0]
    for name in ("first", "second"):
        await delete_subscription(server_urls[0], name)
    await world.pool.execute("DELETE FROM subscriptions")


async def _subscribe(world: World, broker: str, name: str, **body: Any) -> None:
    await declare_subscription(broker, name)
    made = await world.client.post(PATH, headers=ADMIN, json={"name": name, **body})
    assert made.status_code == 201, made.text


async def _receive(broker: str, name: str, count: int) -> list[aio_pika.abc.AbstractIncomingMessage]:
    """The next messages of a queue, acknowledged."""
    async with await aio_pika.connect(broker) as connection:
        queue = await (await connection.channel()).get_queue(subscription_queue(name))
        found: list[aio_pika.abc.AbstractIncomingMessage] = []
        async with queue.iterator(timeout=60) as messages:
            async for message in messages:
                await message.ack()
                found.append(message)
                if len(found) == count:
                    break
        return found


async def _types(broker: str, name: str, count: int) -> list[str]:
    return [str(message.headers["cloudEvents:type"]) for message in await _receive(broker, name, count)]


async def _created(world: World, **changes: Any) -> UUID:
    _, headers = await world.store()
    made = await world.create(headers, **changes)
    return UUID(made.json()["data"]["session_id"])


async def _view(world: World, name: str) -> dict[str, Any]:
    return dict((await world.client.get(f"{PATH}/{name}", headers=ADMIN)).json())


async def test_an_event_of_a_test_account_says_so_and_no_other_does(world: World, broker: str) -> None:
    store, live = await world.store()
    made = await world.client.post(f"/v1/admin/stores/{store}/keys", headers=ADMIN, json={"test": True})
    await _subscribe(world, broker, "first", events=["generation.queued.v1"])

    for headers in (live, {"X-API-Key": made.json()["api_key"]}):
        await world.create(headers)
    of_live, of_test = (json.loads(message.body) for message in await _receive(broker, "first", 2))

    assert "test" not in of_live and of_test["test"] is True
    assert of_test["owner"] == {"kind": "store", "id": str(id_of_test_account(store))}


async def test_one_frame_is_one_event_that_says_whose_it_is(world: World, broker: str) -> None:
    store, headers = await world.store()
    await _subscribe(world, broker, "first", events=["generation.queued.v1"])
    made = await world.client.post(
        "/v1/generations", headers=headers, json={"kind": "image", "prompt": "a", "metadata": {"order": "7"}}
    )

    (message,) = await _receive(broker, "first", 1)

    assert message.content_type == "application/json"
    assert message.headers["cloudEvents:subject"] == made.json()["id"]
    schema = str(message.headers["cloudEvents:dataschema"])
    assert (await world.public.get(schema.removeprefix("http://127.0.0.1:8000"))).json()["$id"] == schema
    data = json.loads(message.body)
    assert data["owner"] == {"kind": "store", "id": str(store)}
    assert (data["kind"], data["surface"], data["metadata"]) == ("image", "native", {"order": "7"})


async def test_a_paused_subscription_receives_what_happened_when_it_resumes(world: World, broker: str) -> None:
    await _subscribe(world, broker, "first")
    await world.client.patch(f"{PATH}/first", headers=ADMIN, json={"paused": True})
    await _created(world)
    await world.until(lambda: _is(world, "first", behind=2))

    await world.client.patch(f"{PATH}/first", headers=ADMIN, json={"paused": False})

    assert await _types(broker, "first", 2) == QUEUED


async def test_a_subscription_without_a_queue_stops_no_other(world: World, broker: str) -> None:
    await world.client.post(PATH, headers=ADMIN, json={"name": "second"})
    await _subscribe(world, broker, "first")
    await _created(world)

    assert await _types(broker, "first", 2) == QUEUED
    assert (await _view(world, "second"))["queued"] is None

    await declare_subscription(broker, "second")
    assert await _types(broker, "second", 2) == QUEUED


async def test_an_event_that_cannot_be_published_stops_no_other_subscription(world: World, broker: str) -> None:
    await _fill_log(world, broker, 1)
    # Longer than a routing key may be: whoever wants all events cannot go on.
    await world.pool.execute("UPDATE public_events SET type = repeat('x', 300) WHERE type = 'generation.started.v1'")
    await delete_subscription(broker, "first")
    await world.client.delete(f"{PATH}/first", headers=ADMIN)
    await _subscribe(world, broker, "first", start={"from_beginning": True})
    await _subscribe(world, broker, "second", events=QUEUED)

    await _created(world)

    assert await _types(broker, "second", 2) == QUEUED
    assert (await _view(world, "first"))["behind"] > 0


async def test_a_replay_goes_to_one_subscriber_with_the_same_ids(world: World, broker: str) -> None:
    await _subscribe(world, broker, "first")
    await _subscribe(world, broker, "second")
    await _created(world)
    before = [message.message_id for message in await _receive(broker, "first", 2)]
    await world.until(lambda: _is(world, "second", behind=0, queued=2))

    await world.client.post(f"{PATH}/first/replay", headers=ADMIN, json={"from_beginning": True})

    assert [message.message_id for message in await _receive(broker, "first", 2)] == before
    assert (await _view(world, "second"))["queued"] == 2


async def _fill_log(world: World, broker: str, copies: int) -> tuple[int, int]:
    """A first subscriber, two events that it gets, and so many that it does not; the first and the last position."""
    await _subscribe(world, broker, "first", events=QUEUED)
    await _created(world)
    await _types(broker, "first", 2)
    await world.pool.execute(COPIES, copies)
    first = int(await world.pool.fetchval("SELECT min(position) FROM public_events"))
    return first, int(await world.pool.fetchval("SELECT position FROM public_event_head"))


async def test_a_long_replay_holds_up_no_other_subscriber(world: World, broker: str) -> None:
    _, head = await _fill_log(world, broker, REPLAYED)

    await _subscribe(world, broker, "second", start={"from_beginning": True})
    await world.until(lambda: _has_begun(world, head - REPLAYED))
    await _created(world)
    await _types(broker, "first", 2)

    assert await _position(world, "second") < head

    async def is_over() -> bool:
        return await _position(world, "second") >= head

    await world.until(is_over)


async def test_a_replay_that_is_begun_again_in_the_middle_leaves_nothing_out(world: World, broker: str) -> None:
    first, head = await _fill_log(world, broker, SEVERAL_WINDOWS)
    whole = list(range(first, head + 1))
    await _subscribe(world, broker, "second", start={"from_beginning": True})
    await world.until(lambda: _has_begun(world, first))

    await world.client.post(f"{PATH}/second/replay", headers=ADMIN, json={"from_beginning": True})
    await world.until(lambda: _is(world, "second", behind=0))

    queued = (await _view(world, "second"))["queued"]
    received = [int(str(each.headers["cloudEvents:sequence"])) for each in await _receive(broker, "second", queued)]
    again = len(received) - len(whole)
    assert received[:again] == whole[:again]
    assert received[again:] == whole


async def test_a_queue_that_fills_in_the_middle_of_a_turn_loses_no_event(
    world: World, broker: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, head = await _fill_log(world, broker, SEVERAL_WINDOWS)
    # Of the queue alone: who publishes to it believes in more room.
    monkeypatch.setattr(subscriptions, "MESSAGES_MAX", FULL_AT)

    await _subscribe(world, broker, "second", start={"from_beginning": True})
    await world.until(lambda: _has_begun(world, first))
    cut_at = await _position(world, "second")
    await _receive_until(broker, "second", set(range(first, head + 1)))

    assert cut_at < head
    await world.until(lambda: _is(world, "second", behind=0))


async def _receive_until(broker: str, name: str, missing: set[int]) -> None:
    """Takes what a queue hands out, until no position is missing."""
    async with await aio_pika.connect(broker) as connection:
        channel = await connection.channel()
        await channel.set_qos(prefetch_count=100)
        async with (await channel.get_queue(subscription_queue(name))).iterator(timeout=60) as messages:
            async for message in messages:
                await message.ack()
                missing.discard(int(str(message.headers["cloudEvents:sequence"])))
                if not missing:
                    break


async def _position(world: World, name: str) -> int:
    return int(await world.pool.fetchval("SELECT position FROM subscriptions WHERE name = $1", name))


async def _has_begun(world: World, before: int) -> bool:
    return await _position(world, "second") > before


async def test_a_replay_begins_after_an_event_or_at_a_time(world: World, broker: str) -> None:
    await _subscribe(world, broker, "first")
    first, second = await _created(world), await _created(world)
    messages = await _receive(broker, "first", 4)
    assert {str(message.headers["cloudEvents:subject"]) for message in messages} == {str(first), str(second)}

    await world.client.post(f"{PATH}/first/replay", headers=ADMIN, json={"after": messages[1].message_id})
    again = [message.message_id for message in await _receive(broker, "first", 2)]
    assert again == [message.message_id for message in messages[2:]]

    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    view = (await world.client.post(f"{PATH}/first/replay", headers=ADMIN, json={"since": later})).json()
    assert view["behind"] == 0


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name": "Not a name"}, "name"),
        ({"name": "first", "events": ["generation.done.v1"]}, "events"),
        ({"name": "first", "start": {"after": str(uuid7())}}, "after"),
        ({"name": "first", "start": {"from_beginning": True, "since": "2026-01-01T00:00:00Z"}}, "start"),
    ],
    ids=["name", "events", "after", "two starts"],
)
async def test_a_subscription_that_cannot_be_is_refused_with_its_field(
    world: World, body: dict[str, Any], field: str
) -> None:
    refused = await world.client.post(PATH, headers=ADMIN, json=body)

    assert refused.status_code == 400
    assert field in refused.text


async def test_a_deleted_generation_leaves_no_words_of_its_client_in_the_log(world: World, broker: str) -> None:
    store, headers = await world.store()
    made = await world.client.post(
        "/v1/generations", headers=headers, json={"kind": "image", "prompt": "a", "metadata": {"name": "Ann"}}
    )
    id_ = UUID(made.json()["id"])
    await world.neighbours.say(
        GenerationSucceeded(generation_id=id_, outputs=(), delivered=1, captured=1, refunded=0, provider="local")
    )
    await world.until(lambda: _has_ended(world, id_))
    await _subscribe(world, broker, "first", events=["generation.deleted.v1"])

    deleted = await world.client.delete(f"/v1/generations/{id_}", headers=headers)

    assert deleted.status_code == 204
    (message,) = await _receive(broker, "first", 1)
    assert json.loads(message.body)["owner"]["id"] == str(store)
    assert not await world.pool.fetchval("SELECT count(*) FROM public_events WHERE data::text LIKE '%Ann%'")

    await _subscribe(world, broker, "second", start={"from_beginning": True})
    replayed = [json.loads(message.body) for message in await _receive(broker, "second", 4)]
    assert {(event["owner"]["id"], event["kind"], str(event["metadata"])) for event in replayed} == {
        (str(store), "image", "{}")
    }


async def _has_ended(world: World, id_: UUID) -> bool:
    return bool(await world.pool.fetchval("SELECT rank = 9 FROM generations WHERE id = $1", id_))


async def _is(world: World, name: str, **fields: object) -> bool:
    view = await _view(world, name)
    return {field: view[field] for field in fields} == fields

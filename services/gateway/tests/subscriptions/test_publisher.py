"""Subscriptions on a real broker and a real log: what each queue receives, and that none waits for another."""

import json
from typing import Any
from uuid import UUID

import pytest
from uuid_utils.compat import uuid7

from atelier_contracts import GenerationSucceeded
from atelier_contracts.value_objects import id_of_test_account
from atelier_messaging.subscriptions import declare_subscription, delete_subscription

from ..support.world import ADMIN, World
from .subscribers import PATH, QUEUED, create, fill_log, receive, receive_types, shows, subscribe, view_of

pytestmark = pytest.mark.stack


async def test_an_event_of_a_test_account_says_so_and_no_other_does(world: World, broker: str) -> None:
    store, live = await world.store()
    made = await world.client.post(f"/v1/admin/stores/{store}/keys", headers=ADMIN, json={"test": True})
    await subscribe(world, broker, "first", events=["generation.queued.v1"])

    for headers in (live, {"X-API-Key": made.json()["api_key"]}):
        await world.create(headers)
    of_live, of_test = (json.loads(message.body) for message in await receive(broker, "first", 2))

    assert "test" not in of_live and of_test["test"] is True
    assert of_test["owner"] == {"kind": "store", "id": str(id_of_test_account(store))}


async def test_one_frame_is_one_event_that_says_whose_it_is(world: World, broker: str) -> None:
    store, headers = await world.store()
    await subscribe(world, broker, "first", events=["generation.queued.v1"])
    made = await world.client.post(
        "/v1/generations", headers=headers, json={"kind": "image", "prompt": "a", "metadata": {"order": "7"}}
    )

    (message,) = await receive(broker, "first", 1)

    assert message.content_type == "application/json"
    assert message.headers["cloudEvents:subject"] == made.json()["id"]
    schema = str(message.headers["cloudEvents:dataschema"])
    assert (await world.public.get(schema.removeprefix("http://127.0.0.1:8000"))).json()["$id"] == schema
    data = json.loads(message.body)
    assert data["owner"] == {"kind": "store", "id": str(store)}
    assert (data["kind"], data["surface"], data["metadata"]) == ("image", "native", {"order": "7"})


async def test_a_paused_subscription_receives_what_happened_when_it_resumes(world: World, broker: str) -> None:
    await subscribe(world, broker, "first")
    await world.client.patch(f"{PATH}/first", headers=ADMIN, json={"paused": True})
    await create(world)
    await world.until(lambda: shows(world, "first", behind=2))

    await world.client.patch(f"{PATH}/first", headers=ADMIN, json={"paused": False})

    assert await receive_types(broker, "first", 2) == QUEUED


async def test_a_subscription_without_a_queue_stops_no_other(world: World, broker: str) -> None:
    await world.client.post(PATH, headers=ADMIN, json={"name": "second"})
    await subscribe(world, broker, "first")
    await create(world)

    assert await receive_types(broker, "first", 2) == QUEUED
    assert (await view_of(world, "second"))["queued"] is None

    await declare_subscription(broker, "second")
    assert await receive_types(broker, "second", 2) == QUEUED


async def test_an_event_that_cannot_be_published_stops_no_other_subscription(world: World, broker: str) -> None:
    await fill_log(world, broker, 1)
    # Longer than a routing key may be: a subscription to all events cannot go on.
    await world.pool.execute("UPDATE public_events SET type = repeat('x', 300) WHERE type = 'generation.started.v1'")
    await delete_subscription(broker, "first")
    await world.client.delete(f"{PATH}/first", headers=ADMIN)
    await subscribe(world, broker, "first", start={"from_beginning": True})
    await subscribe(world, broker, "second", events=QUEUED)

    await create(world)

    assert await receive_types(broker, "second", 2) == QUEUED
    assert (await view_of(world, "first"))["behind"] > 0


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
    await subscribe(world, broker, "first", events=["generation.deleted.v1"])

    deleted = await world.client.delete(f"/v1/generations/{id_}", headers=headers)

    assert deleted.status_code == 204
    (message,) = await receive(broker, "first", 1)
    assert json.loads(message.body)["owner"]["id"] == str(store)
    assert not await world.pool.fetchval("SELECT count(*) FROM public_events WHERE data::text LIKE '%Ann%'")

    await subscribe(world, broker, "second", start={"from_beginning": True})
    replayed = [json.loads(message.body) for message in await receive(broker, "second", 4)]
    assert {(event["owner"]["id"], event["kind"], str(event["metadata"])) for event in replayed} == {
        (str(store), "image", "{}")
    }


async def _has_ended(world: World, id_: UUID) -> bool:
    return bool(await world.pool.fetchval("SELECT rank = 9 FROM generations WHERE id = $1", id_))

"""Public events as their subscribers see them: written from the manuals of FastStream, aio-pika and CloudEvents, with
nothing of ours but the address that ``atelier admin subscriptions create`` prints."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import aio_pika
import pytest
from aio_pika.abc import AbstractIncomingMessage
from aiormq.exceptions import ChannelAccessRefused
from cloudevents.core.bindings.amqp import AMQPMessage, from_amqp_event
from faststream.rabbit import RabbitBroker, RabbitMessage, RabbitQueue
from pydantic import BaseModel

from atelier_local.api_client.client import Client
from whole_system import packages
from whole_system.subscriber import drain, rebuild_balances, run_command, subscription
from whole_system.waits import becomes
from whole_system.world import World

AT_ONCE = 50
FAIL_EVERY = 10
EXPIRED = "SELECT expired FROM accounts WHERE owner_id = $1"


class GenerationSucceeded(BaseModel):
    """As a subscriber writes it: what it needs of the data."""

    generation_id: str
    captured: int
    owner: dict[str, str]


@pytest.fixture
async def subscribe(world: World) -> AsyncIterator[Callable[..., Awaitable[tuple[str, str]]]]:
    """Makes a subscription; answers its queue and its address."""
    async with AsyncExitStack() as opened:

        async def create(*arguments: str) -> tuple[str, str]:
            return await opened.enter_async_context(subscription(world, *arguments))

        yield create


async def _generate(client: Client, count: int) -> None:
    async def create(place: int) -> None:
        outcome = "fail" if place % FAIL_EVERY == 0 else "succeed"
        body = {"kind": "image", "prompt": "a red bicycle", "metadata": {"order": str(place)}}
        headers = {"X-Atelier-Simulate": f"outcome={outcome},picture=none"}
        await client.ask("create", "POST", "/v1/generations", body, headers)

    await asyncio.gather(*(create(place) for place in range(count)))


async def _wait_until_settled(world: World, store: str, count: int) -> None:
    async def ended() -> int:
        query = "SELECT count(*) FROM generations WHERE owner_id = $1 AND rank = 9"
        return int(await world.databases["gateway"].fetchval(query, store))

    await becomes(count, ended, within_s=90)


async def _published(world: World) -> list[tuple[str, str]]:
    """Id and type of all events in the log."""
    rows = await world.databases["gateway"].fetch("SELECT id, type FROM public_events ORDER BY position")
    return [(str(row["id"]), row["type"]) for row in rows]


@pytest.mark.timeout(400)  # nine commands, each with an Erlang of its own
async def test_faststream_aio_pika_and_the_cloudevents_sdk_receive_each_event_as_published(
    world: World, store: Callable[[int], Awaitable[Client]], subscribe: Callable[..., Awaitable[tuple[str, str]]]
) -> None:
    client = await store(1_000)
    plain, standard = await subscribe(), await subscribe()
    typed = await subscribe("--events", "generation.succeeded.v1")
    before = len(await _published(world))
    received: list[tuple[str, GenerationSucceeded]] = []
    broker = RabbitBroker(typed[1], logger=None)

    @broker.subscriber(RabbitQueue(typed[0], durable=True, declare=False))
    async def on_success(event: GenerationSucceeded, message: RabbitMessage) -> None:
        received.append((str(message.headers["cloudEvents:id"]), event))

    async with broker:
        await broker.start()
        await _generate(client, AT_ONCE)
        await _wait_until_settled(world, world.id_of(client), AT_ONCE)
        published = (await _published(world))[before:]
        successes = [id for id, type in published if type == "generation.succeeded.v1"]
        await becomes(len(successes), lambda: _count(received))

    messages = await drain(plain[1], plain[0], len(published))
    events = [_cloud_event(message) for message in await drain(standard[1], standard[0], len(published))]
    assert [(message.message_id, message.headers["cloudEvents:type"]) for message in messages] == published
    assert [event.get_id() for event in events] == [message.message_id for message in messages]
    assert [event.get_data() for event in events] == [json.loads(message.body) for message in messages]
    assert sorted(id for id, _ in received) == sorted(successes)  # it handles several at once
    assert {event.owner["id"] for _, event in received} == {world.id_of(client)}
    assert Counter(event.get_type() for event in events)["generation.queued.v1"] == AT_ONCE
    assert all(event.get_dataschema().startswith(world.url) for event in events)


async def test_a_subscriber_that_comes_last_rebuilds_every_balance_from_the_beginning(
    world: World, store: Callable[[int], Awaitable[Client]]
) -> None:
    """Of all owners of this stack, whatever tests did to them before: grants, holds, charges, returns and expiries."""
    client = await store(100)
    id_ = world.id_of(client)
    await _generate(client, 8)
    await _wait_until_settled(world, id_, 8)
    soon = datetime.now(UTC) + timedelta(seconds=3)
    await world.admin.grant("store", id_, 7, reason="test", expires_at=soon)

    async def expired() -> int:
        return int(await world.databases["billing"].fetchval(EXPIRED, UUID(id_)))

    await becomes(7, expired, within_s=90)
    accounts, wrong = await rebuild_balances(world)

    assert wrong == []
    assert accounts.events > 8
    assert accounts.available[id_] == (await world.admin.balance("store", id_)).available


async def test_a_subscriber_reads_its_own_queue_and_nothing_else(
    subscribe: Callable[..., Awaitable[tuple[str, str]]],
) -> None:
    queue, address = await subscribe()
    other, _ = await subscribe()

    async with await aio_pika.connect(address) as connection:
        assert await (await connection.channel()).get_queue(queue)
        for name in (other, "session.saga", "billing.commands"):
            forbidden = await (await connection.channel()).get_queue(name, ensure=False)
            with pytest.raises(ChannelAccessRefused):
                await forbidden.get(fail=False)
        for exchange in ("atelier", "atelier.public", ""):
            channel = await connection.channel()
            with pytest.raises(ChannelAccessRefused):
                to = await channel.get_exchange(exchange, ensure=False) if exchange else channel.default_exchange
                await to.publish(aio_pika.Message(b"{}"), queue, mandatory=True)


async def test_what_a_subscriber_rejects_is_a_dead_letter_and_comes_back(
    world: World, store: Callable[[int], Awaitable[Client]], subscribe: Callable[..., Awaitable[tuple[str, str]]]
) -> None:
    queue, address = await subscribe("--events", "credits.granted.v1")
    name = queue.removeprefix("subscriptions.")
    await store(5)
    async with await aio_pika.connect(address) as connection:
        messages = await (await connection.channel()).get_queue(queue)
        async with messages.iterator(timeout=60) as iterator:
            async for message in iterator:
                await message.reject(requeue=False)
                rejected = message.message_id
                break

    async def redriven() -> bool:
        return "1 sent again" in await asyncio.to_thread(run_command, world, "redrive", name)

    await becomes(True, redriven)
    (again,) = await drain(address, queue, 1)
    assert again.message_id == rejected


async def test_the_asyncapi_document_satisfies_its_own_parser(world: World) -> None:
    folder = await asyncio.to_thread(packages.node_packages, "asyncapi")
    printed = await asyncio.to_thread(packages.node, "parse.mjs", f"{world.url}/asyncapi.json", cwd=folder)

    found = json.loads(printed)
    assert found["problems"] == []
    assert "generation.succeeded.v1" in found["messages"]


def _cloud_event(message: AbstractIncomingMessage) -> Any:
    properties = {"content-type": message.content_type}
    return from_amqp_event(AMQPMessage(properties, dict(message.headers), message.body))


async def _count(found: list[Any]) -> int:
    return len(found)

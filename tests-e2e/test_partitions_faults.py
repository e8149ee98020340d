"""A system whose queues are divided among two processes each of session and billing, while one of each is killed."""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import aio_pika
import pytest
from aio_pika.abc import AbstractIncomingMessage

from atelier_contracts.partitions import PARTITIONED
from atelier_contracts.routes import EXCHANGE
from atelier_local.api_client.client import Client
from whole_system.own_stack import own_world
from whole_system.replicas import replica
from whole_system.waits import becomes
from whole_system.world import IMAGES, World

PARTITIONS = 2
SETTINGS = {
    "ATELIER_PARTITIONS": str(PARTITIONS),
    "ATELIER_SESSION_RESEND_S": "5",
    "ATELIER_SESSION_STOP_GRACE_S": "5",
    "RATE_LIMIT_ENABLED": "false",
}
STORES, OF_EACH, FAILING = 6, 5, 1


@pytest.fixture(scope="module")
async def world() -> AsyncIterator[World]:
    """A system of its own, for the number of partitions is decided with the topology."""
    async with own_world("tests-partitions", SETTINGS) as opened:
        yield opened


@pytest.mark.timeout(400)
async def test_generations_end_once_while_one_of_two_processes_of_session_and_of_billing_is_killed(
    world: World, store: Callable[[int], Awaitable[Client]]
) -> None:
    clients = [await store(OF_EACH) for _ in range(STORES)]
    async with replica(world.stack, "session") as session, replica(world.stack, "billing"), _keys(world) as keys:
        await becomes({2}, lambda: _consumers(world))
        outcomes = ["fail" if at < FAILING else "succeed" for at in range(OF_EACH)]
        started = [
            (client, outcome, await client.try_on(IMAGES, simulate=f"outcome={outcome}, delay_ms=500"))
            for outcome in outcomes
            for client in clients
        ]
        assert session.process is not None
        session.process.kill()
        await world.kill("billing")
        ended = [
            (outcome, (await world.wait_until_ended(client, made.session_id)).status)
            for client, outcome, made in started
        ]

    counted = Counter(ended)
    assert counted == {("succeed", "completed"): STORES * (OF_EACH - FAILING), ("fail", "failed"): STORES * FAILING}
    balances = [await world.balance(client) for client in clients]
    assert {(b.available, b.held, b.captured) for b in balances} == {(FAILING, 0, OF_EACH - FAILING)}
    divided = {key.rpartition(".")[2] for key in keys if key.startswith("billing.reserve_credit.v1")}
    assert divided == {f"p{partition}" for partition in range(PARTITIONS)}


async def _consumers(world: World) -> set[int]:
    """How many processes consume each of the divided queues: all consume the undivided one, too."""
    async with await aio_pika.connect(world.stack.environment()["ATELIER_AMQP_URL"]) as connection:
        channel = await connection.channel()
        found = [await channel.declare_queue(queue, passive=True) for queue in PARTITIONED]
        return {queue.declaration_result.consumer_count or 0 for queue in found}


@asynccontextmanager
async def _keys(world: World) -> AsyncIterator[set[str]]:
    """The routing keys that pass while it is open."""
    seen: set[str] = set()

    async def note(message: AbstractIncomingMessage) -> None:
        seen.add(message.routing_key or "")

    async with await aio_pika.connect(world.stack.environment()["ATELIER_AMQP_URL"]) as connection:
        channel = await connection.channel()
        queue = await channel.declare_queue(exclusive=True)
        await queue.bind(EXCHANGE, "#")
        await queue.consume(note, no_ack=True)
        yield seen

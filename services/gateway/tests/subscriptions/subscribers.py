"""What the tests of subscriptions do with the gateway, its log and a subscriber's queue."""

from typing import Any
from uuid import UUID

import aio_pika

from atelier_contracts.public_events import subscription_queue
from atelier_messaging.subscriptions import declare_subscription

from ..support.world import ADMIN, World

PATH = "/v1/admin/subscriptions"
QUEUED = ["credits.held.v1", "generation.queued.v1"]
COPIES = """
WITH head AS (UPDATE public_event_head SET position = position + $1::int RETURNING position - $1::int AS before)
INSERT INTO public_events (position, id, type, subject, at, traceparent, data)
SELECT head.before + n, gen_random_uuid(), 'generation.started.v1', e.subject, e.at, e.traceparent, e.data
FROM head, generate_series(1, $1::int) AS n, (SELECT * FROM public_events ORDER BY position DESC LIMIT 1) AS e
"""
"""So many events of a type that the first subscriber does not receive."""


async def subscribe(world: World, broker: str, name: str, **body: Any) -> None:
    await declare_subscription(broker, name)
    made = await world.client.post(PATH, headers=ADMIN, json={"name": name, **body})
    assert made.status_code == 201, made.text


async def receive(broker: str, name: str, count: int) -> list[aio_pika.abc.AbstractIncomingMessage]:
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


async def receive_types(broker: str, name: str, count: int) -> list[str]:
    return [str(message.headers["cloudEvents:type"]) for message in await receive(broker, name, count)]


async def receive_until(broker: str, name: str, missing: set[int]) -> None:
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


async def create(world: World, **changes: Any) -> UUID:
    _, headers = await world.store()
    made = await world.create(headers, **changes)
    return UUID(made.json()["data"]["session_id"])


async def view_of(world: World, name: str) -> dict[str, Any]:
    return dict((await world.client.get(f"{PATH}/{name}", headers=ADMIN)).json())


async def shows(world: World, name: str, **fields: object) -> bool:
    view = await view_of(world, name)
    return {field: view[field] for field in fields} == fields


async def position_of(world: World, name: str) -> int:
    return int(await world.pool.fetchval("SELECT position FROM subscriptions WHERE name = $1", name))


async def has_begun(world: World, before: int) -> bool:
    return await position_of(world, "second") > before


async def fill_log(world: World, broker: str, copies: int) -> tuple[int, int]:
    """A first subscriber, two events that it gets, and so many that it does not; the first and the last position."""
    await subscribe(world, broker, "first", events=QUEUED)
    await create(world)
    await receive_types(broker, "first", 2)
    await world.pool.execute(COPIES, copies)
    first = int(await world.pool.fetchval("SELECT min(position) FROM public_events"))
    return first, int(await world.pool.fetchval("SELECT position FROM public_event_head"))

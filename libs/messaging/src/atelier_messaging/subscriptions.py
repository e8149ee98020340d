"""The queues of subscribers to public events: each has one queue of its own, with its dead letters.

The operator declares them; no service may. A queue is a bounded buffer: when it is full its events wait in the log, so
a subscriber that is away costs the others nothing and the broker little.
"""

import asyncio

from aio_pika import DeliveryMode, ExchangeType, Message
from pamqp.common import FieldTable

from atelier_contracts.public_events import SUBSCRIPTIONS, subscription_queue
from atelier_messaging.connection import connect_first
from atelier_messaging.topology import (
    DEAD_EXCHANGE,
    DEAD_LETTER_ARGUMENTS,
    DECLARE_S_MAX,
    DELIVERY_LIMIT,
    dead_queue,
    portable_headers,
)

MESSAGES_MAX = 100_000
"""Messages that a subscriber's queue holds; further events wait in the log."""
REDRIVE_MAX = 1_000


def arguments(name: str) -> FieldTable:
    """The arguments of a subscriber's queue."""
    return {
        "x-queue-type": "quorum",
        "x-max-length": MESSAGES_MAX,
        "x-overflow": "reject-publish",
        "x-delivery-limit": DELIVERY_LIMIT,
        "x-dead-letter-exchange": DEAD_EXCHANGE,
        "x-dead-letter-routing-key": subscription_queue(name),
    }


async def declare_subscription(url: str, name: str) -> None:
    """Declares the queue of a subscription and its dead letters, idempotently. Raises OSError, TimeoutError or an
    AMQPError."""
    async with asyncio.timeout(DECLARE_S_MAX), await connect_first(url) as connection:
        channel = await connection.channel()
        public = await channel.declare_exchange(SUBSCRIPTIONS, ExchangeType.TOPIC, durable=True)
        dead = await channel.declare_exchange(DEAD_EXCHANGE, ExchangeType.DIRECT, durable=True)
        queue = subscription_queue(name)
        letters = await channel.declare_queue(dead_queue(queue), durable=True, arguments=DEAD_LETTER_ARGUMENTS)
        await letters.bind(dead, routing_key=queue)
        declared = await channel.declare_queue(queue, durable=True, arguments=arguments(name))
        await declared.bind(public, routing_key=f"{name}.#")


async def delete_subscription(url: str, name: str) -> None:
    """Deletes the queue of a subscription and its dead letters, with what lies in them."""
    async with asyncio.timeout(DECLARE_S_MAX), await connect_first(url) as connection:
        channel = await connection.channel()
        queue = subscription_queue(name)
        for each in (queue, dead_queue(queue)):
            await channel.queue_delete(each)


async def redrive_subscription(url: str, name: str) -> int:
    """Moves the dead letters of a subscription back into its queue; returns how many."""
    async with await connect_first(url) as connection:
        channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
        queue = subscription_queue(name)
        dead = await channel.get_queue(dead_queue(queue))
        moved, letters_max = 0, min(REDRIVE_MAX, dead.declaration_result.message_count or 0)
        while moved < letters_max and (raw := await dead.get(fail=False)) is not None:
            again = Message(
                raw.body,
                headers=portable_headers(raw.headers or {}),  # type: ignore[arg-type]  # values that can be sent
                message_id=raw.message_id,
                content_type=raw.content_type,
                delivery_mode=DeliveryMode.PERSISTENT,
            )
            await channel.default_exchange.publish(again, queue, mandatory=True)
            await raw.ack()
            moved += 1
        return moved

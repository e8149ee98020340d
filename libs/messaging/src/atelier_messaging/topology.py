"""Declares exchanges, queues, dead-letter queues and the retry ladder. Idempotent; every service declares the whole.

atelier          topic    every message, by its name
atelier.dead     direct   <queue> -> <queue>.dead
atelier.retry.N  fanout   -> atelier.retry.N (TTL N seconds) -> default exchange -> the queue named by the routing key
"""

from collections.abc import Mapping
from typing import cast

from aio_pika import ExchangeType
from aio_pika.abc import AbstractChannel
from pamqp import encode
from pamqp.common import FieldTable, FieldValue

from atelier_contracts.routes import EXCHANGE, ROUTES

DEAD_EXCHANGE = "atelier.dead"
RETRY_DELAYS_S = (1, 10, 60)
"""The rungs of the retry ladder; a Transient message stays on the last for ever."""
BROKER_HISTORY = ("x-death", "x-first-death-", "x-last-death-")
DELIVERY_LIMIT = 50
"""Deliveries after which the broker itself gives up on a message that keeps killing its consumer."""

GRAVE: FieldTable = {"x-queue-type": "quorum", "x-delivery-limit": 1_000_000}
"""Looking at a dead letter is a delivery; from RabbitMQ 4.0 the default limit would drop it after twenty looks."""


def dead_queue(queue: str) -> str:
    """Where the dead letters of a queue lie."""
    return f"{queue}.dead"


def retry_exchange(rung: int) -> str:
    """The exchange of one rung of the retry ladder."""
    return f"atelier.retry.{RETRY_DELAYS_S[rung]}"


def lasting(headers: Mapping[str, object]) -> dict[str, object]:
    """The headers to keep when a message is moved by us.

    The broker's own history of dead-lettering is left behind: with it, the broker takes a second way through the retry
    ladder for a cycle and drops the message. So are the extra routing keys, whose hearers had their copy.
    """
    return {
        name: _sendable(value)
        for name, value in headers.items()
        if name not in {"CC", "x-delivery-count"} and not name.startswith(BROKER_HISTORY)
    }


def _sendable(value: object) -> object:
    """The value, or its spelling where it can be received but not sent, such as a text that is not UTF-8."""
    try:
        encode.encode_table_value(cast(FieldValue, value))
    except (TypeError, ValueError, OverflowError):
        return repr(value)
    return value


async def declare(channel: AbstractChannel) -> None:
    """Declares everything that is not there yet; fails when something is there with other arguments."""
    exchange = await channel.declare_exchange(EXCHANGE, ExchangeType.TOPIC, durable=True)
    dead = await channel.declare_exchange(DEAD_EXCHANGE, ExchangeType.DIRECT, durable=True)
    for queue, messages in ROUTES.items():
        declared = await channel.declare_queue(queue, durable=True, arguments=queue_arguments(queue))
        for message in messages:
            await declared.bind(exchange, routing_key=message.name)
        grave = await channel.declare_queue(dead_queue(queue), durable=True, arguments=GRAVE)
        await grave.bind(dead, routing_key=queue)
    for rung, delay_s in enumerate(RETRY_DELAYS_S):
        ladder = await channel.declare_exchange(retry_exchange(rung), ExchangeType.FANOUT, durable=True)
        arguments: FieldTable = {
            "x-queue-type": "quorum",
            "x-message-ttl": int(delay_s * 1000),
            "x-dead-letter-exchange": "",
            # Without these two, a broker that dies as a message moves on loses it.
            "x-dead-letter-strategy": "at-least-once",
            "x-overflow": "reject-publish",
        }
        waiting = await channel.declare_queue(retry_exchange(rung), durable=True, arguments=arguments)
        await waiting.bind(ladder)


def queue_arguments(queue: str) -> FieldTable:
    """What a consumer's queue is declared with."""
    return {
        "x-queue-type": "quorum",
        "x-delivery-limit": DELIVERY_LIMIT,
        "x-dead-letter-exchange": DEAD_EXCHANGE,
        "x-dead-letter-routing-key": queue,
    }

"""Declares exchanges, queues, dead-letter queues and the retry levels, idempotently.

``python -m atelier_messaging.topology`` does it as the operator, before the services start: they may declare nothing.

atelier          topic    every message, by its name; with several partitions also <name>.pN -> <queue>.pN
atelier.public   topic    public events, to the queue of each subscription (``subscriptions``)
atelier.dead     direct   <queue> -> <queue>.dead
atelier.retry.N  fanout   -> atelier.retry.N (TTL N seconds) -> default exchange -> the queue named by the routing key
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from itertools import count
from typing import cast

from aio_pika import ExchangeType
from aio_pika.abc import AbstractChannel, AbstractConnection
from aio_pika.exceptions import ChannelNotFoundEntity, ChannelPreconditionFailed
from pamqp import encode
from pamqp.common import FieldTable, FieldValue

from atelier_contracts.partitions import PARTITIONED, PARTITIONED_KINDS, PARTITIONS_MAX, in_partition
from atelier_contracts.public_events import SUBSCRIPTIONS
from atelier_contracts.routes import EXCHANGE, ROUTES
from atelier_messaging.connection import connect_first
from atelier_messaging.settings import BrokerSettings

DEAD_EXCHANGE = "atelier.dead"
INSTALLATION = "atelier.installation"
"""Exchange and queue by which a virtual host says whose it is."""
PARTITIONS = "atelier.partitions"
"""Exchange and queue by which a broker says how many partitions are declared; absent where it is one."""
DECLARE_S_MAX = 30.0
PARTITION_DECLARE_S = 5.0
"""Further seconds for each partition beyond the first: a queue has a member on every node before it is there."""
RETRY_DELAYS_S = (1, 10, 60)
"""The levels of retry; a Transient message stays on the last level without end."""
BROKER_HISTORY = ("x-death", "x-first-death-", "x-last-death-")
DELIVERY_LIMIT = 50
"""Deliveries after which the broker itself gives up on a message that keeps killing its consumer."""

DEAD_LETTER_ARGUMENTS: FieldTable = {"x-queue-type": "quorum", "x-delivery-limit": 1_000_000}
"""Looking at a dead letter is a delivery; from RabbitMQ 4.0 the default limit would drop it after twenty looks."""


def dead_queue(queue: str) -> str:
    """Where the dead letters of a queue lie."""
    return f"{queue}.dead"


def retry_exchange(level: int) -> str:
    """The exchange of one retry level."""
    return f"atelier.retry.{RETRY_DELAYS_S[level]}"


def portable_headers(headers: Mapping[str, object]) -> dict[str, object]:
    """The headers to keep when a message is moved by us.

    The broker's own history of dead-lettering is left behind: with it, the broker takes a second pass through the retry
    levels for a cycle and drops the message. So are the extra routing keys, whose receivers had their copy.
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


class OtherTopology(RuntimeError):
    """What is declared on the broker is not ours; the text is a sentence for an operator."""


async def declare_at(url: str, installation: str | None, partitions: int = 1) -> None:
    """Declares everything that is not there yet on the first broker that answers, and takes its virtual host for this
    installation. From then on services start with this number of partitions alone. Raises OtherTopology, OSError,
    TimeoutError or an AMQPError."""
    declare_s_max = DECLARE_S_MAX + (partitions - 1) * PARTITION_DECLARE_S
    async with asyncio.timeout(declare_s_max), await connect_first(url) as connection:
        channel = await connection.channel()
        if installation is not None:
            await mark_virtual_host(channel, installation)
        await declare(channel)
        await declare_partitions(channel, partitions)
        are_left = [await _delete_former(connection, queue, partitions) for queue in PARTITIONED]
        if partitions == 1 and not any(are_left):
            await _bind_all_partitions(channel, bind=False)


async def unmark_virtual_host(url: str, installation: str) -> None:
    """Takes the mark of an installation that is gone off its virtual host. Raises as ``declare_at`` does."""
    async with asyncio.timeout(DECLARE_S_MAX), await connect_first(url) as connection:
        channel = await connection.channel()
        await mark_virtual_host(channel, installation)
        await channel.queue_delete(INSTALLATION)


async def mark_virtual_host(channel: AbstractChannel, installation: str) -> None:
    """Marks the virtual host as this installation's: by a queue that the broker declares once, and with these arguments
    only. Its binding answers the services, which may declare nothing: what they publish to it under another
    installation's name is unroutable. Raises OtherTopology where it is another's."""
    marks = await channel.declare_exchange(INSTALLATION, ExchangeType.DIRECT, durable=True)
    try:
        mark = await channel.declare_queue(INSTALLATION, durable=True, arguments=mark_arguments(installation))
    except ChannelPreconditionFailed:
        raise OtherTopology(belongs_to_another(installation)) from None
    await mark.bind(marks, routing_key=installation)


def belongs_to_another(installation: str) -> str:
    """The error text for a virtual host of another installation."""
    return (
        f"the broker's virtual host belongs to another installation of Atelier, not to {installation}: give this one a "
        f"virtual host of its own; if the other is gone for good, delete the queue {INSTALLATION}"
    )


async def declare(channel: AbstractChannel) -> None:
    """Declares everything that is not there yet. Raises OtherTopology when something is there with other arguments."""
    try:
        await _declare(channel)
    except ChannelPreconditionFailed as error:
        raise OtherTopology(
            f"the broker has a queue of this name declared otherwise, by an older version perhaps; "
            f"delete it when it is empty, or use a fresh broker: {error}"
        ) from None


async def _declare(channel: AbstractChannel) -> None:
    exchange = await channel.declare_exchange(EXCHANGE, ExchangeType.TOPIC, durable=True)
    dead = await channel.declare_exchange(DEAD_EXCHANGE, ExchangeType.DIRECT, durable=True)
    await channel.declare_exchange(SUBSCRIPTIONS, ExchangeType.TOPIC, durable=True)
    for queue, messages in ROUTES.items():
        declared = await channel.declare_queue(queue, durable=True, arguments=queue_arguments(queue))
        for message in messages:
            await declared.bind(exchange, routing_key=message.name)
        dead_letters = await channel.declare_queue(dead_queue(queue), durable=True, arguments=DEAD_LETTER_ARGUMENTS)
        await dead_letters.bind(dead, routing_key=queue)
    for level, delay_s in enumerate(RETRY_DELAYS_S):
        retries = await channel.declare_exchange(retry_exchange(level), ExchangeType.FANOUT, durable=True)
        arguments: FieldTable = {
            "x-queue-type": "quorum",
            "x-message-ttl": int(delay_s * 1000),
            "x-dead-letter-exchange": "",
            # Without these two, a broker that dies as a message moves on loses it.
            "x-dead-letter-strategy": "at-least-once",
            "x-overflow": "reject-publish",
        }
        waiting = await channel.declare_queue(retry_exchange(level), durable=True, arguments=arguments)
        await waiting.bind(retries)


async def declare_partitions(channel: AbstractChannel, partitions: int) -> None:
    """Declares the partitions and says how many there are. Queues of another number stay bound and are consumed until
    they are empty: what was sent by it arrives. Raises OtherTopology as ``declare`` does."""
    if partitions == 1:
        await channel.queue_delete(PARTITIONS)
        await channel.exchange_delete(PARTITIONS)
        return
    try:
        for queue in PARTITIONED:
            for partition in range(partitions):
                await _declare_partition(channel, queue, partition)
    except ChannelPreconditionFailed as error:
        raise OtherTopology(f"a partition is declared otherwise; delete it when it is empty: {error}") from None
    await _bind_all_partitions(channel, bind=True)
    marks = await channel.declare_exchange(PARTITIONS, ExchangeType.DIRECT, durable=True)
    arguments: FieldTable = {"x-queue-type": "quorum", "x-max-length": 1}
    mark = await channel.declare_queue(PARTITIONS, durable=True, arguments=arguments)
    await mark.bind(marks, routing_key=str(partitions))
    for other in range(1, PARTITIONS_MAX + 1):
        if other != partitions:
            await mark.unbind(marks, routing_key=str(other))


async def _declare_partition(channel: AbstractChannel, queue: str, partition: int) -> None:
    name = in_partition(queue, partition)
    declared = await channel.declare_queue(name, durable=True, arguments=partition_arguments(queue))
    for message in ROUTES[queue]:
        await declared.bind(EXCHANGE, routing_key=in_partition(message.name, partition))


async def _bind_all_partitions(channel: AbstractChannel, *, bind: bool) -> None:
    """Binds the undivided queues to every partition of a message that they receive too, or unbinds them."""
    for queue, messages in ROUTES.items():
        undivided = await channel.get_queue(queue, ensure=False)
        for message in () if queue in PARTITIONED else sorted(PARTITIONED_KINDS.intersection(messages), key=str):
            await (undivided.bind if bind else undivided.unbind)(EXCHANGE, routing_key=f"{message.name}.*")


async def _delete_former(connection: AbstractConnection, queue: str, partitions: int) -> bool:
    """Deletes the partitions of a larger number, the last first, as far as they are empty and no process consumes them;
    whether some are left."""
    former: list[str] = []
    are_left = False
    with suppress(ChannelNotFoundEntity):
        for partition in count(0 if partitions == 1 else partitions):
            channel = await connection.channel()  # the broker closes it at the first that is absent
            name = in_partition(queue, partition)
            found = (await channel.declare_queue(name, passive=True)).declaration_result
            is_used = bool(found.message_count or found.consumer_count)
            former, are_left = ([], True) if is_used else ([name, *former], are_left)
            await channel.close()
    channel = await connection.channel()
    for name in former:
        await channel.queue_delete(name)
    return are_left


def queue_arguments(queue: str) -> FieldTable:
    """The arguments of a consumer's queue."""
    return {
        "x-queue-type": "quorum",
        "x-delivery-limit": DELIVERY_LIMIT,
        "x-dead-letter-exchange": DEAD_EXCHANGE,
        "x-dead-letter-routing-key": queue,
    }


def partition_arguments(queue: str) -> FieldTable:
    """The arguments of a partition. One consumer is given messages at a time, the others stand by; its dead letters lie
    with those of the undivided queue."""
    return {**queue_arguments(queue), "x-single-active-consumer": True}


def mark_arguments(installation: str) -> FieldTable:
    """The arguments of the queue that marks a virtual host. Quorum, so that it works while a node is unavailable."""
    return {
        "x-queue-type": "quorum",
        "x-max-length": 1,
        "x-dead-letter-exchange": "",
        "x-dead-letter-routing-key": installation,
    }


def main() -> None:
    """Declares as the environment says."""
    settings = BrokerSettings()
    asyncio.run(declare_at(settings.amqp_url.get_secret_value(), settings.installation, settings.partitions))


if __name__ == "__main__":
    main()

"""Consuming the partitions of a queue: each is delivered to one process at a time, and each process has its share.

The broker delivers a partition to the consumer that came first; the others stand by and follow when it dies. It
balances nothing: the first process would have all. So a process that is given more partitions than its share closes the
channel of one. What it has not acknowledged goes, in its order, to the next in line, which meets the messages that are
being handled here again: it waits for this commit and finds them handled. (A cancelled consumer would keep them, and
the next would begin behind them.)
"""

import logging
import random
from collections.abc import Callable, Sequence
from itertools import count
from typing import cast

from aio_pika.abc import AbstractIncomingMessage
from aio_pika.message import IncomingMessage
from aiormq import Channel
from aiormq.abc import AbstractConnection, DeliveredMessage

from atelier_contracts.partitions import in_partition
from atelier_messaging.publisher import Publisher

BALANCE_EVERY_S = 2.0
logger = logging.getLogger(__name__)


async def find_partitions(publisher: Publisher, queue: str) -> list[str]:
    """The names of the partitions that a queue has on the broker, those of a former number included."""
    found: list[str] = []
    for partition in count():
        name = in_partition(queue, partition)
        if await publisher.measure(name) is None:
            return found
        found.append(name)
    raise AssertionError("a broker has an end of queues")


class Partition:
    """One partition's queue, consumed on a channel of its own."""

    def __init__(
        self,
        name: str,
        receive: Callable[[AbstractIncomingMessage], None],
        forget: Callable[[], None],
        *,
        prefetch: int,
    ) -> None:
        self.name = name
        self.is_active = False
        """Whether the broker has chosen us: seen by the first delivery on the present channel."""
        self._receive = receive
        self._forget = forget
        self._prefetch = prefetch
        self._connection: AbstractConnection | None = None
        self._channel: Channel | None = None

    @property
    def is_closed(self) -> bool:
        """Whether its channel is gone, or its consumer, and the connection is not."""
        if self._connection is None or self._connection.is_closed:
            return False
        return self._channel is None or self._channel.is_closed or not self._channel.consumers

    async def subscribe(self, connection: AbstractConnection) -> None:
        """Consumes on this connection; behind those that do already."""
        channel = cast(Channel, await connection.channel(publisher_confirms=False))
        await channel.basic_qos(prefetch_count=self._prefetch)
        self._connection, self._channel, self.is_active = connection, channel, False
        await channel.basic_consume(self.name, self._on_message)

    async def hand_over(self) -> None:
        """Lets the next in line have it, and goes to the end of the line."""
        connection, channel = self._connection, self._channel
        self._channel, self.is_active = None, False
        if channel is not None:
            await channel.close()
        self._forget()
        if connection is not None and self._connection is connection:  # not on a newer one, which consumes it already
            await self.subscribe(connection)

    async def _on_message(self, message: DeliveredMessage) -> None:
        if message.channel is self._channel:
            self.is_active = True
            self._receive(IncomingMessage(message))


class Share:
    """The partitions of one queue, as this process consumes them. How many processes there are is read from the
    undivided queue, which all consume: of a partition the broker counts the chosen consumer alone."""

    def __init__(self, queue: str, partitions: Sequence[Partition], publisher: Publisher) -> None:
        self._queue = queue
        self._partitions = partitions
        self._publisher = publisher

    async def balance(self) -> None:
        """Consumes again what has lost its channel, and hands one partition over where there are more than our
        share."""
        for partition in self._partitions:
            if partition.is_closed:
                logger.warning("the channel of %s failed, consuming it again", partition.name)
                await partition.hand_over()
        active = [partition for partition in self._partitions if partition.is_active]
        if len(active) < 2:
            return
        depth = await self._publisher.measure(self._queue)
        if depth is not None and len(active) > share_of(len(self._partitions), depth.consumers):
            chosen = random.choice(active)
            logger.info("handing %s over to another process: %d were ours", chosen.name, len(active))
            await chosen.hand_over()


def share_of(partitions: int, processes: int) -> int:
    """The most partitions that one of so many processes keeps."""
    return -(-partitions // max(1, processes))

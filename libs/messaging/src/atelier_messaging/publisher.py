"""Publishing with proof: persistent, mandatory, confirmed, and with our own deadline.

Its connection is separate from the consumers', so that a broker that throttles publishers does not stop
acknowledgements. Three outcomes, never an exception: confirmed, unroutable, unknown.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from time import monotonic
from typing import cast

from aio_pika.abc import AbstractChannel
from aio_pika.exceptions import AMQPException, ChannelInvalidStateError, ChannelNotFoundEntity, PublishError
from aiormq import Channel
from aiormq.abc import AbstractChannel as RawChannel
from pamqp.commands import Basic
from pamqp.common import FieldTable

from atelier_contracts.routes import EXCHANGE
from atelier_messaging import publish_window, topology
from atelier_messaging.addresses import addresses_of
from atelier_messaging.connection import BrokerConnection, is_blocked
from atelier_messaging.majority import UNCONFIRMED_S_MAX, UnconfirmedRun
from atelier_messaging.publish_window import Publish
from atelier_messaging.senders import Senders
from atelier_telemetry import metrics

PERSISTENT = 2
PUBLISH_S_MAX = 5.0
START_S_MAX = 30.0
logger = logging.getLogger(__name__)


class PublishOutcome(StrEnum):
    """The outcome of one publish."""

    CONFIRMED = "confirmed"
    UNROUTABLE = "unroutable"
    UNKNOWN = "unknown"
    """Not confirmed in time, or the connection broke: it may or may not have arrived."""


@dataclass(frozen=True, slots=True)
class OutgoingMessage:
    """One message ready for the wire."""

    body: bytes
    headers: Mapping[str, object]
    message_id: str
    routing_key: str
    exchange: str = EXCHANGE
    cc: tuple[str, ...] = ()
    content_type: str = "application/json"


@dataclass(frozen=True, slots=True)
class WrittenWindow:
    """Messages on their way to the broker; without confirmations where they could not be written."""

    size: int
    confirmations: Sequence["asyncio.Future[object]"]


@dataclass(frozen=True, slots=True)
class QueueDepth:
    """What lies in a queue, and how many consumers it has."""

    messages: int
    consumers: int


class Publisher:
    """Owns the publishing connection."""

    def __init__(self, url: str, name: str) -> None:
        self._addresses = addresses_of(url)
        self._name = name
        self.senders = Senders.from_addresses(name, url)
        self._connection: BrokerConnection | None = None
        self._channel: AbstractChannel
        self._unconfirmed = UnconfirmedRun()
        for outcome in PublishOutcome:  # at 0, so that the first is an increase
            metrics.PUBLISHED.labels(outcome)

    async def start(self) -> None:
        """Connects; raises when no broker can be reached. A user that all services share declares the topology too; a
        service's own may not."""
        self._connection = BrokerConnection(self._addresses, f"{self._name} publish")
        await self._connection.open()
        async with asyncio.timeout(START_S_MAX):
            self._channel = await self._connection.channel(publisher_confirms=True, on_return_raises=True)
            if not self.senders.are_known:
                await topology.declare(self._channel)

    async def check_installation(self, installation: str) -> None:
        """Raises OtherTopology where the virtual host belongs to another installation, or to none yet."""
        if not self.senders.are_known:
            await topology.mark_virtual_host(self._channel, installation)
            return
        match await self.publish_mark(installation):
            case PublishOutcome.UNROUTABLE:
                raise topology.OtherTopology(topology.belongs_to_another(installation))
            case PublishOutcome.UNKNOWN:
                raise topology.OtherTopology(
                    "the broker does not confirm whose virtual host this is: was the topology declared? "
                    "(python -m atelier_messaging.topology, as the operator)"
                )

    async def publish_mark(self, installation: str) -> PublishOutcome:
        """Publishes the mark of the virtual host once more, which is confirmed by a node that can store it. A node that
        cannot, again and again, is left."""
        return (await self.publish([OutgoingMessage(b"", {}, installation, installation, topology.INSTALLATION)]))[0]

    async def check_partitions(self, partitions: int) -> None:
        """Raises OtherTopology where the broker's queues are declared for another number of partitions: some would be
        written to by one service and read by none."""
        are_several = await self._has_exchange(topology.PARTITIONS)
        if partitions == 1 and not are_several:
            return
        if are_several:
            probe = OutgoingMessage(b"", {}, "partitions", str(partitions), topology.PARTITIONS)
            if (await self.publish([probe]))[0] is PublishOutcome.CONFIRMED:
                return
        raise topology.OtherTopology(
            f"ATELIER_PARTITIONS is {partitions}, but the broker's queues are declared for another number: give all "
            "services and the topology the same, and declare it (python -m atelier_messaging.topology, as the operator)"
        )

    @property
    def is_connected(self) -> bool:
        """Whether the connection is usable right now."""
        return self._connection is not None and self._connection.usable

    async def publish(self, window: Sequence[OutgoingMessage]) -> list[PublishOutcome]:
        """Publishes all at once and waits for every confirm, at most ``PUBLISH_S_MAX`` seconds."""
        if not self.is_connected:
            return [PublishOutcome.UNKNOWN] * len(window)
        began = monotonic()
        if len(window) == 1:
            try:
                async with asyncio.timeout(PUBLISH_S_MAX):
                    outcomes = [await self._publish_one(window[0])]
            except TimeoutError:
                outcomes = [PublishOutcome.UNKNOWN]
        else:
            tasks = [asyncio.create_task(self._publish_one(outgoing)) for outgoing in window]
            _, late = await asyncio.wait(tasks, timeout=PUBLISH_S_MAX)
            for task in late:
                task.cancel()
            outcomes = [PublishOutcome.UNKNOWN if task in late else task.result() for task in tasks]
        for outcome in outcomes:
            metrics.child(metrics.PUBLISHED, outcome).inc()
        await self._leave_unconfirming_node(outcomes, monotonic() - began)
        return outcomes

    async def publish_window(self, window: Sequence[OutgoingMessage]) -> list[PublishOutcome]:
        """As ``publish``, for many messages that are cheap to publish again: written in order and as one piece."""
        return await self.confirm_window(await self.write_window(window))

    async def write_window(self, window: Sequence[OutgoingMessage]) -> WrittenWindow:
        """The first half of ``publish_window``: the next window may be written before this one is confirmed."""
        if not self.is_connected:
            return WrittenWindow(len(window), ())
        try:
            channel = cast(Channel, await self._channel.get_underlay_channel())
            confirmations = await publish_window.write(channel, [self._to_publish(outgoing) for outgoing in window])
        except (AMQPException, ChannelInvalidStateError, OSError, RuntimeError) as error:
            logger.warning("publishing %d messages failed, it is retried: %r", len(window), error)
            return WrittenWindow(len(window), ())
        return WrittenWindow(len(window), confirmations)

    async def confirm_window(self, written: WrittenWindow) -> list[PublishOutcome]:
        """Waits for every confirm of a written window, at most ``PUBLISH_S_MAX`` seconds."""
        if not written.confirmations:
            return [PublishOutcome.UNKNOWN] * written.size
        began = monotonic()
        await asyncio.wait(written.confirmations, timeout=PUBLISH_S_MAX)
        outcomes = [_outcome_of(confirmation) for confirmation in written.confirmations]
        for outcome, count in Counter(outcomes).items():
            metrics.PUBLISHED.labels(outcome).inc(count)
        await self._leave_unconfirming_node(outcomes, monotonic() - began)
        return outcomes

    def _to_publish(self, outgoing: OutgoingMessage) -> Publish:
        properties = Basic.Properties(
            headers=cast(FieldTable, outgoing.headers),
            message_id=outgoing.message_id,
            content_type=outgoing.content_type,
            delivery_mode=PERSISTENT,
            user_id=self.senders.own,
        )
        return Publish(outgoing.body, outgoing.exchange, outgoing.routing_key, properties)

    async def _leave_unconfirming_node(self, outcomes: Sequence[PublishOutcome], took_s: float) -> None:
        if any(outcome is not PublishOutcome.UNKNOWN for outcome in outcomes):
            return self._unconfirmed.end()
        connection = self._connection
        if connection is None or not connection.usable or connection.transport is None:
            return
        if not await is_blocked(connection.transport.connection) and self._unconfirmed.add(took_s):
            connection.leave(f"it confirmed no publish for {UNCONFIRMED_S_MAX:g} s and more")

    async def _publish_one(self, outgoing: OutgoingMessage) -> PublishOutcome:
        headers = cast(FieldTable, {**outgoing.headers, "CC": list(outgoing.cc)} if outgoing.cc else outgoing.headers)
        properties = Basic.Properties(
            headers=headers,
            message_id=outgoing.message_id,
            content_type=outgoing.content_type,
            delivery_mode=PERSISTENT,
            user_id=self.senders.own,
        )
        try:
            # The channel under aio-pika's: one frame is built instead of three objects.
            channel = cast(Channel, await self._channel.get_underlay_channel())
            await channel.basic_publish(
                outgoing.body,
                exchange=outgoing.exchange,
                routing_key=outgoing.routing_key,
                properties=properties,
                mandatory=True,
                wait=False,
            )
        except PublishError:
            logger.error(
                "publishing %s failed: exchange %r has no queue for it; the sender keeps it",
                outgoing.routing_key,
                outgoing.exchange,
            )
            return PublishOutcome.UNROUTABLE
        except asyncio.CancelledError:
            # A closed connection cancels pending publishes although this task was not cancelled.
            current = asyncio.current_task()
            if current is not None and current.cancelling():
                raise
            return PublishOutcome.UNKNOWN
        except (AMQPException, ChannelInvalidStateError, OSError, RuntimeError) as error:
            # A nack is among them: one queue refused the message, another may have taken it.
            logger.warning("publishing %s failed or was not confirmed, it is retried: %r", outgoing.routing_key, error)
            return PublishOutcome.UNKNOWN
        return PublishOutcome.CONFIRMED

    async def measure(self, queue: str) -> QueueDepth | None:
        """The depth of a queue; None where there is none. On a channel of its own, for the broker closes one on which
        an absent queue is named. Raises an AMQPException, OSError or RuntimeError while the broker is unavailable."""
        async with self._own_channel() as channel:
            try:
                declared = await channel.queue_declare(queue, passive=True)
            except ChannelNotFoundEntity:
                return None
        return QueueDepth(declared.message_count or 0, declared.consumer_count or 0)

    async def _has_exchange(self, name: str) -> bool:
        async with self._own_channel() as channel:
            try:
                await channel.exchange_declare(name, passive=True)
            except ChannelNotFoundEntity:
                return False
        return True

    @asynccontextmanager
    async def _own_channel(self) -> AsyncIterator[RawChannel]:
        assert self._connection is not None
        if self._connection.transport is None:
            raise ConnectionError("not connected to the broker")
        async with asyncio.timeout(PUBLISH_S_MAX):
            channel = await self._connection.transport.connection.channel(publisher_confirms=False)
            try:
                yield channel
            finally:
                await channel.close()

    async def stop(self) -> None:
        """Closes the connection; unconfirmed messages stay in the outbox."""
        if self._connection is not None:
            await self._connection.close()


def _outcome_of(confirmation: "asyncio.Future[object]") -> PublishOutcome:
    """Of a message that was written; it may have arrived where nothing was said in time."""
    if not confirmation.done():
        confirmation.cancel()
        return PublishOutcome.UNKNOWN
    if confirmation.cancelled():
        return PublishOutcome.UNKNOWN
    match confirmation.exception():
        case None:
            return PublishOutcome.CONFIRMED
        case PublishError():
            return PublishOutcome.UNROUTABLE
        case _:
            return PublishOutcome.UNKNOWN

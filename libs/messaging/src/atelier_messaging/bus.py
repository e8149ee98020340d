"""The bus of a service: FastStream subscribers that feed batched consumers, and a confirmed publisher."""

import asyncio
import logging
import os
import signal
import time
from collections.abc import Awaitable, Sequence
from functools import partial
from typing import Any

from aio_pika.abc import AbstractIncomingMessage
from faststream import AckPolicy
from faststream.rabbit import Channel, RabbitBroker, RabbitMessage, RabbitQueue

from atelier_contracts.bundle import count_messages
from atelier_contracts.partitions import PARTITIONED
from atelier_messaging import database, failpoints, periodic, retention
from atelier_messaging.addresses import addresses_of
from atelier_messaging.connection import BrokerConnection, Preparation
from atelier_messaging.consumer import Consumer, Handler
from atelier_messaging.database import Pool
from atelier_messaging.dead_letter_api import OwnDeadLetters
from atelier_messaging.majority import PROBE_EVERY_S, ConsumerNodeWatch
from atelier_messaging.outbox import SWEEP_EVERY_S, Outbox
from atelier_messaging.partitions import BALANCE_EVERY_S, Partition, Share, find_partitions
from atelier_messaging.publisher import START_S_MAX, Publisher
from atelier_messaging.replies import Replies, ReplyHandler
from atelier_messaging.settings import BrokerSettings
from atelier_messaging.unit_of_work import UnitOfWork

LINGER_S_MAX = 0.010
LINGER_SHARE = 0.5
"""Of the time that the last batch took: so long does the next one wait for further messages, under load."""
LINGER_FROM = 2
"""Messages in the last batch from which the next one waits."""
STOP_S_MAX = 3.0
"""A frozen broker does not answer a close; a service must end before its supervisor kills it."""
INBOX_DAYS = 7
PRUNE_EVERY_S = 300.0
logger = logging.getLogger(__name__)


class _Prefetched:
    """The messages that one subscriber has received and not handled; the prefetch bounds them."""

    def __init__(self, batch_max: int) -> None:
        self._queue: asyncio.Queue[AbstractIncomingMessage] = asyncio.Queue()
        self._batch_max = batch_max
        self._last_held = 0
        self._taken_at = time.monotonic()

    def add(self, raw: AbstractIncomingMessage) -> None:
        self._queue.put_nowait(raw)

    def clear(self) -> None:
        """Forgets what no batch has taken: the broker delivers it to another process."""
        while not self._queue.empty():
            self._queue.get_nowait()

    async def next(self) -> Sequence[AbstractIncomingMessage]:
        """The messages that have arrived. After a batch of several it waits for more: a fuller batch costs little more
        than a single message, and the slower the machine is, the more that saves."""
        pause_s = linger_s(self._last_held, time.monotonic() - self._taken_at)
        batch = [await self._queue.get()]
        self._take(batch)
        if pause_s and len(batch) < self._batch_max:
            await asyncio.sleep(pause_s)
            self._take(batch)
        self._last_held, self._taken_at = sum(map(_messages_in, batch)), time.monotonic()
        return batch

    def _take(self, batch: list[AbstractIncomingMessage]) -> None:
        while len(batch) < self._batch_max and not self._queue.empty():
            batch.append(self._queue.get_nowait())


def linger_s(messages: int, took_s: float) -> float:
    """Seconds that a batch waits for further messages, after one of so many messages that took so long to handle."""
    return 0.0 if messages < LINGER_FROM else min(LINGER_S_MAX, LINGER_SHARE * took_s)


def _messages_in(raw: AbstractIncomingMessage) -> int:
    return count_messages(raw.headers or {}, content_type=raw.content_type)


class Bus:
    """One service's connections to the broker, its outbox and its consumers."""

    def __init__(self, service: str, settings: BrokerSettings, pool: Pool) -> None:
        failpoints.enable(service, os.environ)
        url = settings.amqp_url.get_secret_value()
        self._service = service
        self._settings = settings
        self._pool = pool
        self.publisher = Publisher(url, service)
        self.outbox = Outbox(pool, self.publisher, settings.partitions)
        self.unit = UnitOfWork(pool, self.outbox, f"atelier/{service}")
        self._preparations: list[Preparation] = []
        self.broker = _Subscriptions(addresses_of(url), f"{service} consume", self._preparations)
        self._consumers: list[tuple[Consumer, _Prefetched]] = []
        self._partitions: dict[str, list[str]] = {}
        self._tasks: list[asyncio.Task[None]] = []

    def consume(self, queue: str, handler: Handler, *, late_claim: bool = False) -> None:
        """Handles the messages of ``queue`` in batches. Call before ``start``. For ``late_claim`` see ``once``."""
        arrivals = _Prefetched(self._settings.batch_max)
        publisher = self.publisher
        consumer = Consumer(queue, handler, self.unit, publisher, publisher.senders, late_claim=late_claim)
        self._consumers.append((consumer, arrivals))
        # A channel of its own: acknowledging many at once speaks of all deliveries of the channel.
        channel = Channel(prefetch_count=self._settings.prefetch)

        @self.broker.subscriber(
            RabbitQueue(queue, durable=True, declare=False),
            channel=channel,
            ack_policy=AckPolicy.MANUAL,
            no_reply=True,
            consume_args=self.broker.rank,
        )
        async def receive(message: RabbitMessage) -> None:
            arrivals.add(message.raw_message)

    def consume_replies(self, key: str, handler: ReplyHandler) -> None:
        """Consumes the replies to this process, each at most once: a reply is a hint. Call before ``start``."""
        self._preparations.append(Replies(key, handler, self.publisher.senders).subscribe)

    async def start(self) -> None:
        """Connects, declares, and begins to consume and to sweep. Raises when the broker cannot be reached."""
        if not self.publisher.senders.are_known:
            logger.warning(
                "senders cannot be verified: all services log in to the broker as %r, so each may send any message, "
                "money included; give each service its own user (docs/operations/broker.md)",
                self.publisher.senders.own,
            )
        if self._settings.installation is not None:
            await database.claim_database(self._pool, self._settings.installation)
        await self.publisher.start()
        if self._settings.installation is not None:
            await self.publisher.check_installation(self._settings.installation)
        await self.publisher.check_partitions(self._settings.partitions)
        for consumer, arrivals in tuple(self._consumers):
            self.run_in_background(consumer.run(arrivals), consumer.queue)
            if consumer.queue in PARTITIONED:
                await self._consume_partitions(consumer)
        self.run_in_background(periodic.run_every("outbox sweep", SWEEP_EVERY_S, self.outbox.sweep_all), "outbox sweep")
        self.run_in_background(periodic.run_every("inbox prune", PRUNE_EVERY_S, self._prune), "inbox prune")
        if self._settings.installation is not None and len(self.broker.addresses) > 1:
            self._watch_nodes(self._settings.installation)
        async with asyncio.timeout(START_S_MAX):
            await self.broker.start()

    def _watch_nodes(self, installation: str) -> None:
        """Where there is another node to go to: leave one that stores nothing."""
        watch = ConsumerNodeWatch(self.broker, installation, f"{self._service} watch")
        self.run_in_background(watch.run(), "watch of the consumers' node")
        probe = partial(self.publisher.publish_mark, installation)
        self.run_in_background(
            periodic.run_every("publisher's probe", PROBE_EVERY_S, probe), "watch of the publisher's node"
        )

    async def _consume_partitions(self, consumer: Consumer) -> None:
        """Those of a former number too: what lies in them was sent by it. All count as the one queue that they divide,
        in the inbox, in retries, dead letters and metrics."""
        names = self._partitions[consumer.queue] = await find_partitions(self.publisher, consumer.queue)
        partitions = []
        for name in names:
            arrivals = _Prefetched(self._settings.batch_max)
            partition = Partition(name, arrivals.add, arrivals.clear, prefetch=self._settings.prefetch)
            partitions.append(partition)
            self._preparations.append(partition.subscribe)
            self.run_in_background(consumer.run(arrivals), name)
        if partitions:
            share = Share(consumer.queue, partitions, self.publisher)
            balancing = f"shares of {consumer.queue}"
            self.run_in_background(periodic.run_every(balancing, BALANCE_EVERY_S, share.balance), balancing)

    @property
    def is_connected(self) -> bool:
        """Whether messages can be published now and their replies received."""
        return self.publisher.is_connected and self.broker.usable

    @property
    def dead_letters(self) -> OwnDeadLetters:
        """Of this service's queues."""
        url = self._settings.amqp_url.get_secret_value()
        return OwnDeadLetters(self._service, url, self.publisher, self._pool, self._partitions)

    def run_in_background(self, coroutine: Any, name: str) -> None:
        """Runs a coroutine until ``stop``. If it ends before, the process ends too: a service without its loops would
        look alive and do nothing. After a restart it resumes from its tables."""
        task = asyncio.create_task(coroutine, name=name)
        task.add_done_callback(_stop_service_when_done)
        self._tasks.append(task)

    async def ready(self) -> bool:
        """Whether the broker is usable and every background task is running."""
        return self.is_connected and all(not task.done() for task in self._tasks)

    async def stop(self) -> None:
        """Stops consuming, ends the loops, waits for the publishes under way, disconnects. A broker that does not
        answer delays each step by at most ``STOP_S_MAX`` seconds; unconfirmed messages stay in the outbox."""
        await _within_stop_deadline("closing the consumers", self.broker.stop())
        await _within_stop_deadline("closing their connection", self.broker.disconnect())
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await _within_stop_deadline("draining the outbox", self.outbox.drain())
        await _within_stop_deadline("closing the publisher", self.publisher.stop())

    async def _prune(self) -> None:
        await retention.prune_inbox(self._pool, days=INBOX_DAYS)


class _Subscriptions(RabbitBroker):
    """FastStream on our own connection, which knows several brokers and leaves a silent one."""

    def __init__(self, addresses: Sequence[str], name: str, preparations: Sequence[Preparation]) -> None:
        super().__init__(addresses[0], apply_types=False, decoder=_keep_undecoded, logger=None)
        self.rank: dict[str, Any] = {"x-priority": 0}
        """Priority of the consumers on the present connection. It rises with each: the broker delivers to the newest
        connection, and not to an older one that it still holds although we have lost it."""
        self.addresses = addresses
        self._to = addresses, name, preparations
        self.opened: BrokerConnection | None = None

    @property
    def usable(self) -> bool:
        """Whether every subscriber can receive right now."""
        return isinstance(self._connection, BrokerConnection) and self._connection.usable

    async def _connect(self) -> BrokerConnection:
        connection = self.opened = BrokerConnection(*self._to)
        await connection.open()
        connection.close_callbacks.add(self._raise_rank)
        self.config.connect(connection)
        self._channel = await self.config.channel_manager.get_channel()
        return connection

    async def disconnect(self) -> None:
        """Closes the connection also where a stop did not get that far, because closing a channel failed before: it
        would reconnect forever."""
        if self.opened is not None:
            await self.opened.close()

    def _raise_rank(self, *_: object) -> None:
        self.rank["x-priority"] += 1


async def _within_stop_deadline(what: str, step: Awaitable[None]) -> None:
    try:
        async with asyncio.timeout(STOP_S_MAX):
            await step
    except Exception as error:  # noqa: BLE001 - the service is stopping: the steps after this one matter more
        logger.warning("%s failed, the stop goes on: %r", what, error)


async def _keep_undecoded(message: RabbitMessage) -> RabbitMessage:
    """The consumer decodes bodies itself, so that it can dead-letter one that it cannot decode."""
    return message


def _stop_service_when_done(task: "asyncio.Task[Any]") -> None:
    if not task.cancelled():
        logger.critical("%s ended: stopping the service", task.get_name(), exc_info=task.exception())
        os.kill(os.getpid(), signal.SIGTERM)

"""Publishes the log of public events to its subscribers, each from the position it has reached.

At least once and in order: a position moves only over events that the broker has confirmed. A queue that is full,
absent or paused stops its own subscription and no other; a replay is a position set back.
"""

import asyncio
import logging
import time
from collections.abc import Iterable
from functools import partial

from aio_pika.exceptions import AMQPError

from atelier_contracts.public_events import subscription_queue
from atelier_gateway.subscriptions import event_log, store
from atelier_gateway.subscriptions.turn import Turn
from atelier_messaging import Bus
from atelier_messaging.database import Pool
from atelier_messaging.periodic import PAUSE_S_MAX, run_every, wait_event
from atelier_messaging.publisher import Publisher, QueueDepth
from atelier_messaging.subscriptions import MESSAGES_MAX
from atelier_telemetry import metrics

TURNS_MAX = 3
"""Subscriptions published to at the same time; each holds a database connection meanwhile."""
POLL_EVERY_S = 1.0
LINGER_S = 0.1
"""Between two looks at the log: under load the events of several transactions are published together."""
RETRY_AFTER_S = 5.0
MEASURE_EVERY_S = 5.0
"""Seconds for which the measured room in a queue counts; a second where there was none."""
GAUGES_EVERY_S = 15.0
PRUNE_EVERY_S = 600.0
logger = logging.getLogger(__name__)


class SubscriptionPublisher:
    """One loop in each gateway process; a subscription is locked by the process that publishes to it."""

    def __init__(self, pool: Pool, publisher: Publisher, public_root: str) -> None:
        """``public_root`` is the ``source`` of the events and the root of their schemas."""
        self._pool = pool
        self._publisher = publisher
        self._root = public_root
        self._woken = asyncio.Event()
        self._turns = asyncio.Semaphore(TURNS_MAX)
        self._active: set[str] = set()
        self._listed_at = float("-inf")
        self._room: dict[str, tuple[int, float]] = {}
        self._without_queue: set[str] = set()

    async def start(self, bus: Bus, *, kept_days: int) -> None:
        """Connects to the broker and begins to publish, to measure and to prune. Raises when no broker accepts us."""
        await self._publisher.start()
        bus.run_in_background(self.run(), "public events")
        for name, every_s, act in (
            ("subscription gauges", GAUGES_EVERY_S, self.update_metrics),
            ("public event prune", PRUNE_EVERY_S, partial(event_log.prune, self._pool, kept_days)),
        ):
            bus.run_in_background(run_every(name, every_s, act), name)

    async def stop(self) -> None:
        """Disconnects; what is not confirmed is published again after the next start."""
        await self._publisher.stop()

    def wake(self) -> None:
        """Events were logged; a hint, they are looked for anyway."""
        self._woken.set()

    def refresh(self) -> None:
        """Subscriptions have changed in this process."""
        self._listed_at = float("-inf")
        self._woken.set()

    async def run(self) -> None:
        """Publishes without end. A failure is logged and slows the loop down; nothing is lost by it."""
        pause, looked_at = POLL_EVERY_S, 0.0
        while True:
            await wait_event(self._woken, pause)
            await asyncio.sleep(looked_at + LINGER_S - time.monotonic())
            self._woken.clear()
            try:
                await self.publish_due()
                pause = POLL_EVERY_S
            except Exception:
                pause = min(PAUSE_S_MAX, pause * 2)
                logger.exception("publishing public events failed, retrying in %.1f s", pause)
            looked_at = time.monotonic()

    async def publish_due(self) -> None:
        """Publishes to every subscription, to several at a time, until each has all there was or can take no more. What
        is logged meanwhile is published, too: a long replay delays no other."""
        due, looked_at, running = await self._list_active(), time.monotonic(), dict[str, asyncio.Task[None]]()
        try:
            while due or running:
                begun = {name: asyncio.create_task(self._publish_all(name)) for name in due - running.keys()}
                due -= begun.keys()  # those under way are looked at again: the last look may precede the newest event
                running |= begun
                await self._wait_for_any(running.values())
                running = {name: task for name, task in running.items() if not task.done()}
                if running and (self._woken.is_set() or time.monotonic() - looked_at >= POLL_EVERY_S):
                    await asyncio.sleep(looked_at + LINGER_S - time.monotonic())
                    self._woken.clear()
                    due, looked_at = await self._list_active(), time.monotonic()
        finally:
            for task in running.values():
                task.cancel()
            await asyncio.gather(*running.values(), return_exceptions=True)

    async def _wait_for_any(self, tasks: Iterable["asyncio.Task[None]"]) -> None:
        """Until one of them ends, events are logged, or it is time to look at the subscriptions again."""
        woken = asyncio.create_task(self._woken.wait())
        try:
            await asyncio.wait({woken, *tasks}, timeout=POLL_EVERY_S, return_when=asyncio.FIRST_COMPLETED)
        finally:
            woken.cancel()

    async def _list_active(self) -> set[str]:
        """The subscriptions that are not paused, as they were within ``POLL_EVERY_S`` at most."""
        now = time.monotonic()
        if now - self._listed_at >= POLL_EVERY_S:
            self._listed_at = now
            self._active = {found.name for found in await store.list_all(self._pool) if found.paused_at is None}
        return set(self._active)

    async def measure(self, name: str) -> QueueDepth | None:
        """The depth of a subscription's queue; None where it cannot be seen."""
        try:
            depth = await self._publisher.measure(subscription_queue(name))
        except (AMQPError, OSError, RuntimeError, TimeoutError) as error:
            logger.warning("measuring the queue of subscription %s failed, it is measured again: %r", name, error)
            return None
        if depth is not None:
            self._without_queue.discard(name)
        elif name not in self._without_queue:
            self._without_queue.add(name)
            logger.warning("subscription %s has no queue, its events wait in the log until it is declared", name)
        return depth

    async def update_metrics(self) -> None:
        """Sets the gauges of every subscription."""
        subscriptions = await store.list_all(self._pool)
        head = await event_log.get_head(self._pool)
        for gauge in (metrics.SUBSCRIPTION_WAITING, metrics.SUBSCRIPTION_CONSUMERS):
            gauge.clear()
        for subscription in subscriptions:
            depth = await self.measure(subscription.name) or QueueDepth(0, 0)
            waiting = head - subscription.position + depth.messages
            metrics.SUBSCRIPTION_WAITING.labels(subscription.name).set(waiting)
            metrics.SUBSCRIPTION_CONSUMERS.labels(subscription.name).set(depth.consumers)

    async def _publish_all(self, name: str) -> None:
        """Turn after turn, until the subscription has all there was or its queue can take no more. A failure is logged;
        nothing is lost by it."""
        try:
            while self._publisher.is_connected:
                async with self._turns:
                    may_go_on = await self._publish_turn(name)
                if not may_go_on:
                    return
        except Exception:
            logger.exception("publishing to subscription %s failed, retrying in %.1f s", name, RETRY_AFTER_S)
            await asyncio.sleep(RETRY_AFTER_S)

    async def _publish_turn(self, name: str) -> bool:
        """Whether there may be more that its queue can take."""
        room = await self._get_room(name)
        if room <= 0:
            return False
        async with self._pool.acquire() as connection, connection.transaction():
            subscription = await store.lock_active(connection, name)
            if subscription is None:
                return False
            outcome = await Turn(connection, self._publisher, subscription, self._root).publish(room)
        self._room[name] = room - outcome.confirmed, self._room[name][1]
        if outcome.is_cut:
            del self._room[name]
        return outcome.may_go_on

    async def _get_room(self, name: str) -> int:
        """How many messages its queue can still take, measured or remembered."""
        room, measured_at = self._room.get(name, (0, float("-inf")))
        now = time.monotonic()
        if now - measured_at > (MEASURE_EVERY_S if room > 0 else POLL_EVERY_S / 2):
            depth = await self.measure(name)
            room = MESSAGES_MAX - depth.messages if depth else 0
            self._room[name] = room, now
        return room

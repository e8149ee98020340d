"""Requests that wait for a generation, woken by what this process projects.

Another replica may be the one that receives the event, so everything waited for is also looked up twice a second, all
of it in one statement. A waiter costs a future, never a database connection.
"""

import asyncio
import logging
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any, Generic, Protocol, TypeVar
from uuid import UUID

from atelier_gateway.projection import store as projection_store
from atelier_gateway.projection.snapshot import DELIVERING, TERMINAL, Snapshot
from atelier_messaging import is_outage
from atelier_messaging.database import Pool

POLL_EVERY_S = 0.5
WAITERS_MAX = 2_000
"""Beyond this many a request does not wait: the answer is the present state."""

logger = logging.getLogger(__name__)

News = TypeVar("News")


class Client(Protocol):
    """The client that waits, as far as a wait needs to know it."""

    gone: asyncio.Future[None]

    def raise_if_gone(self) -> None:
        """Raises ClientDisconnect when it is gone."""


class Waiters(Generic[News]):
    """The waiters of each generation, and the news that they get."""

    def __init__(self) -> None:
        self._futures: dict[UUID, set[asyncio.Future[News]]] = {}
        self.count = 0

    @property
    def ids(self) -> Collection[UUID]:
        """The generations with waiters."""
        return self._futures.keys()

    @contextmanager
    def subscribe(self, id_: UUID) -> Iterator[asyncio.Future[News]]:
        """A future that ``notify`` fills, for the length of the block."""
        future: asyncio.Future[News] = asyncio.get_running_loop().create_future()
        self._futures.setdefault(id_, set()).add(future)
        self.count += 1
        try:
            yield future
        finally:
            self.count -= 1
            self._futures[id_].discard(future)
            if not self._futures[id_]:
                del self._futures[id_]

    def notify(self, id_: UUID, news: News) -> None:
        """Wakes all who wait for this one."""
        for future in self._futures.get(id_, ()):
            if not future.done():
                future.set_result(news)


class GenerationWaiter:
    """The waiters of one process."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._rank_waiters: dict[int, Waiters[Snapshot]] = {DELIVERING: Waiters(), TERMINAL: Waiters()}
        self._change_waiters: Waiters[None] = Waiters()
        self._woken: set[UUID] = set()
        self._looking: asyncio.Task[None] | None = None
        self._stopped: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def is_stopping(self) -> bool:
        """Whether this process is about to end, so that no request waits any more."""
        return self._stopped.done()

    def stop(self) -> None:
        """Ends every wait as if its time were over, those that begin afterwards too."""
        if not self._stopped.done():
            self._stopped.set_result(None)
        for id_ in self._change_waiters.ids:
            self._change_waiters.notify(id_, None)

    async def wait_until_ended(
        self,
        generation_id: UUID,
        timeout_s: float,
        client: Client | None = None,
        *,
        even_when_stopping: bool = False,
        rank: int = TERMINAL,
    ) -> Snapshot | None:
        """The snapshot at its end, or once it has come to ``DELIVERING`` where that is the ``rank``; None if that does
        not come within ``timeout_s``, or too many wait already, or this process stops. Raises ClientDisconnect when the
        ``client`` is gone before that.
        """
        if sum(waiters.count for waiters in self._rank_waiters.values()) >= WAITERS_MAX:
            timeout_s = 0.0
        with self._rank_waiters[rank].subscribe(generation_id) as end:
            # After listening began, so that an end between this look and the wait wakes us.
            self._notify_ended(await projection_store.load_snapshots(self._pool, [generation_id]))
            ends: list[asyncio.Future[Any]] = [end]
            ends += [client.gone] if client else []
            ends += [] if even_when_stopping else [self._stopped]
            await asyncio.wait(ends, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
            if end.done():
                return end.result()
            if client:
                client.raise_if_gone()
            return None

    async def wait_for_change(self, generation_id: UUID, timeout_s: float) -> None:
        """Returns when this process has projected something about the generation or stops, or after ``timeout_s``
        seconds."""
        if self.is_stopping:
            return
        # Many wait at once: each has a future and a timer of its own, and none a callback on a future of all.
        with self._change_waiters.subscribe(generation_id) as change:
            timer = asyncio.get_running_loop().call_later(timeout_s, _set, change)
            try:
                await change
            finally:
                timer.cancel()

    def wake(self, generation_ids: Collection[UUID]) -> None:
        """Called by the projection inside its transaction; waiters are notified after the commit."""
        waited_for = self._waited_for()
        self._woken.update(id_ for id_ in generation_ids if id_ in waited_for or id_ in self._change_waiters.ids)
        if self._woken and (self._looking is None or self._looking.done()):
            self._looking = asyncio.create_task(self._look_up())

    async def poll(self) -> None:
        """Looks up whatever end is waited for: here is found what other replicas have projected."""
        if waited_for := self._waited_for():
            self._notify_ended(await projection_store.load_snapshots(self._pool, waited_for))

    async def _look_up(self) -> None:
        while self._woken:
            ids, self._woken = self._woken, set()
            try:
                # Waits for the transaction that woke us: afterwards it is committed, or undone.
                self._notify_ended(await projection_store.load_settled_snapshots(self._pool, ids))
            except Exception as error:
                if not is_outage(error):
                    raise
                logger.warning("wake-up failed, falling back to polling: %r", error)
            for id_ in ids:
                self._change_waiters.notify(id_, None)

    def _waited_for(self) -> set[UUID]:
        return set().union(*(waiters.ids for waiters in self._rank_waiters.values()))

    def _notify_ended(self, snapshots: dict[UUID, Snapshot]) -> None:
        for id_, snapshot in snapshots.items():
            for rank, waiters in self._rank_waiters.items():
                if snapshot.rank >= rank:
                    waiters.notify(id_, snapshot)


def _set(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)

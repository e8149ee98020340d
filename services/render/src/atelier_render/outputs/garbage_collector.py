"""Deletes objects that no generation owns any more, and old rows.

What is to go is recorded in the transaction that decides it (``store/retention.py``) and removed here, for as long as
it takes. What no row speaks of (an attempt that crashed, a row that was never written) the sweep finds: it compares the
store's listing with the rows, never touches an upload, and nothing younger than its grace.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta

from atelier_contracts import ArtefactsExpired
from atelier_messaging import UnitOfWork, is_outage, wait_event
from atelier_render import store
from atelier_storage.errors import StorageUnavailable
from atelier_storage.keys import OWNER_FOLDERS, generation_of
from atelier_storage.objects import ListedObject, ObjectStore
from atelier_telemetry import metrics

COLLECT_EVERY_S = 5.0
EXPIRE_EVERY_S = 60.0
PRUNE_EVERY_S = 60.0
OBJECTS_MAX = 100
RESULTS_MAX = 200
JOBS_MAX = 500
BATCHES_MAX = 20
"""Batches in one go: the next one begins after the loop's pause, so that claims and endings keep their turn."""
SWEEP_PAGE = 1_000
logger = logging.getLogger(__name__)


class GarbageCollector:
    """Collects for one process; several at once do no harm."""

    def __init__(
        self, unit: UnitOfWork, objects: ObjectStore, *, retention_days: int, jobs_keep_days: int, grace_s: float
    ) -> None:
        self._unit = unit
        self._objects = objects
        self._retention_days = retention_days
        self._jobs_keep_days = jobs_keep_days
        self._grace = timedelta(seconds=grace_s)
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """Something was doomed just now."""
        self._wake.set()

    async def collect_forever(self) -> None:
        """Runs until cancelled: at once when woken, else every ``COLLECT_EVERY_S``; an outage postpones it."""
        while True:
            await wait_event(self._wake, COLLECT_EVERY_S)
            self._wake.clear()
            try:
                await _in_batches(self.collect, OBJECTS_MAX)
            except Exception as error:
                if not (isinstance(error, StorageUnavailable) or is_outage(error)):
                    raise
                logger.warning("object deletion failed, postponed to the next pass: %r", error)

    async def collect(self) -> int:
        """Removes a batch of what is due; answers how many."""
        keys = await store.deletable_objects(self._unit.pool, OBJECTS_MAX)
        if keys:
            await asyncio.gather(*(self._objects.remove(key) for key in keys))
            reasons = Counter(await store.forget_objects(self._unit.pool, keys))
            for reason, count in reasons.items():
                metrics.OBJECTS_REMOVED.labels(reason).inc(count)
            logger.info("removed objects: %s", dict(reasons))
        return len(keys)

    async def expire(self) -> None:
        """Deletes results past their retention, their own or that of all, and publishes that they expired."""
        await _in_batches(self._expire_some, RESULTS_MAX)

    async def prune(self) -> None:
        """Forgets old jobs that have ended."""
        await _in_batches(self._prune_some, JOBS_MAX)

    async def sweep(self) -> int:
        """Dooms objects that no row speaks of; answers how many. One process at a time."""
        async with store.only_sweeper(self._unit.pool) as ours:
            if not ours:
                return 0
            found = sum([await self._sweep_folder(f"{folder}/") for folder in OWNER_FOLDERS.values()])
        if found:
            logger.warning("unreferenced objects found by the sweep: %d, deletion follows", found)
            self.wake()
        return found

    async def _expire_some(self) -> int:
        async with self._unit.once() as tx:
            old = await store.lock_old_results(tx.connection, days=self._retention_days, limit=RESULTS_MAX)
            if old:
                await store.retire_results(tx.connection, old, "retention")
            for generation_id in old:
                tx.emit(ArtefactsExpired(generation_id=generation_id))
            tx.after_commit(self.wake)
        return len(old)

    async def _prune_some(self) -> int:
        return await store.prune_jobs(self._unit.pool, days=self._jobs_keep_days, limit=JOBS_MAX)

    async def _sweep_folder(self, folder: str) -> int:
        found, after = 0, ""
        while page := await self._objects.list_page(folder, after=after, limit=SWEEP_PAGE):
            orphans = await self._orphans(page)
            if orphans:
                await store.schedule_deletion(self._unit.pool, orphans, "orphan", in_s=0)
            found, after = found + len(orphans), page[-1].key
        return found

    async def _orphans(self, page: Sequence[ListedObject]) -> list[str]:
        before = datetime.now(UTC) - self._grace
        made = {
            listed_object.key: generation_of(listed_object.key)
            for listed_object in page
            if listed_object.modified_at < before
        }
        generations = {key: id_ for key, id_ in made.items() if id_ is not None}
        named, at_work = await store.keys_with_rows(self._unit.pool, set(generations.values()))
        return [key for key, id_ in generations.items() if key not in named and id_ not in at_work]


async def _in_batches(some: Callable[[], Awaitable[int]], full: int) -> None:
    for _ in range(BATCHES_MAX):
        if await some() < full:
            return

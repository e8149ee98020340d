"""Works at batches as long as the process runs: leases some, takes their steps, and lets others have a turn.

What it knows is in the tables. If this process dies, another one goes on when the lease is over.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from functools import partial
from uuid import UUID

from uuid_utils.compat import uuid7

from atelier_gateway.batches import store
from atelier_gateway.batches.runner import BatchRunner, Progress
from atelier_messaging import wait_event
from atelier_messaging.database import Pool

BATCHES_AT_ONCE = 8
"""Batches that one process works at."""
LEASE_S = 15.0
RENEWALS = 3
"""In a lease."""
TURN_S = 20.0
"""After so long another batch that waits has the place."""
POLL_EVERY_S = 5.0
RETRY_S = 1.0
PAUSE_S_MAX = 15.0
LEAVING_S = 2.0
logger = logging.getLogger(__name__)


class BatchWorker:
    """The loop over batches."""

    def __init__(self, pool: Pool, runner: BatchRunner, woken: asyncio.Event) -> None:
        """``woken`` is set where there is something to be done; a hint, it is looked for anyway."""
        self._pool = pool
        self._runner = runner
        self._tasks: dict[UUID, asyncio.Task[None]] = {}
        self._woken = woken

    async def run(self) -> None:
        """Runs until cancelled. A failure is logged and slows the loop down; nothing is lost by it."""
        pause = POLL_EVERY_S
        try:
            while True:
                try:
                    await self._lease()
                    pause = POLL_EVERY_S
                except Exception:
                    pause = min(PAUSE_S_MAX, pause * 2)
                    logger.exception("batches could not be leased, retrying in %.1f s", pause)
                await wait_event(self._woken, pause)
                self._woken.clear()
        finally:
            for task in self._tasks.values():
                task.cancel()
            if self._tasks:
                await asyncio.wait(self._tasks.values(), timeout=LEAVING_S)

    async def _lease(self) -> None:
        room = BATCHES_AT_ONCE - len(self._tasks)
        if room <= 0:
            return
        lease = uuid7()
        for batch in await store.lease(self._pool, lease, room, LEASE_S):
            task = asyncio.create_task(self._work(batch.id, lease), name=f"batch {batch.id}")
            self._tasks[batch.id] = task
            task.add_done_callback(partial(self._on_done, batch.id))

    def _on_done(self, id_: UUID, _: object) -> None:
        del self._tasks[id_]
        self._woken.set()

    async def _work(self, id_: UUID, lease: UUID) -> None:
        """One turn at a batch. It ends early where another process has taken the batch over."""
        progress = Progress()
        turn = asyncio.ensure_future(self._take_turn(id_, lease, progress))
        heart = asyncio.ensure_future(self._keep_lease(id_, lease))
        try:
            await asyncio.wait({turn, heart}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            turn.cancel()
            heart.cancel()
            await asyncio.gather(turn, heart, return_exceptions=True)
            # What is being begun is not in the tables yet: the next process is to look for it when it is.
            if not progress.is_submitting:
                await _log_failure(id_, lambda: store.release(self._pool, id_, lease))

    async def _keep_lease(self, id_: UUID, lease: UUID) -> None:
        """Until it is lost: then somebody else works at the batch."""
        while True:
            await asyncio.sleep(LEASE_S / RENEWALS)
            try:
                if await store.renew(self._pool, id_, lease, LEASE_S) is None:
                    return
            except Exception as error:  # noqa: BLE001 - a lease that is not renewed runs out, which costs nothing but time
                logger.warning("lease of batch %s not renewed, retrying: %r", id_, error)

    async def _take_turn(self, id_: UUID, lease: UUID, progress: Progress) -> None:
        began, pause = time.monotonic(), RETRY_S
        while True:
            try:
                batch = await store.renew(self._pool, id_, lease, LEASE_S)
                if batch is None or not batch.is_open or time.monotonic() - began > TURN_S:
                    return
                wait = await self._runner.step(batch, progress)
                pause = RETRY_S
            except Exception:
                logger.exception("step of batch %s failed, retrying in %.1f s", id_, pause)
                wait, pause = pause, min(PAUSE_S_MAX, pause * 2)
            await asyncio.sleep(wait)


async def _log_failure(id_: UUID, act: Callable[[], Awaitable[None]]) -> None:
    try:
        await act()
    except Exception as error:  # noqa: BLE001 - the lease runs out by itself
        logger.warning("lease of batch %s not given back, it runs out: %r", id_, error)

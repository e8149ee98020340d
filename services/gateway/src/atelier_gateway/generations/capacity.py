"""How much may be pending, of one tenant and of all: beyond it a create is refused rather than left to wait for hours.

Counted in the projection, so over all replicas, at most once a second; in between each process adds what it lets in
itself. A burst can therefore overshoot by what the other replicas admit within that second: this guards the queue, it
sells no places. Seed 002's queue, which does, counts under a lock (``generations/form_queue.py``).
"""

import asyncio
import logging
import time
from collections import Counter
from dataclasses import dataclass

from atelier_contracts import Owner
from atelier_gateway.projection import pending
from atelier_gateway.web.problems import Problem
from atelier_messaging import is_outage
from atelier_messaging.database import Pool

FRESH_S = 1.0
COUNT_S_MAX = 2.0
RETRY_AFTER_S = {"tenant_queue_full": 10, "queue_full": 30}
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Headroom:
    """Whether one more of the owner's is let in, and how many of this surface are pending now, of all owners."""

    has_room: bool
    pending: int


class Capacity:
    """Counts what is pending."""

    def __init__(self, pool: Pool, *, tenant_max: int, total_max: int) -> None:
        self._pool = pool
        self._tenant_max = tenant_max
        self._total_max = total_max
        self._owners: Counter[Owner] = Counter()
        self._surfaces: Counter[str] = Counter()
        self._all = 0
        self._entered: list[tuple[Owner, str, int]] = []
        self._counted_at = float("-inf")
        self._counting: asyncio.Task[None] | None = None

    async def get_headroom(self, surface: str, owner: Owner) -> Headroom:
        """As it is now, to the second."""
        await self._recount()
        return Headroom(self._full(owner) is None, self._surfaces[surface])

    async def check(self, surface: str, owner: Owner) -> None:
        """Lets one more in. Raises Problem: 429 where the owner has too much pending, 503 where all have.

        Waits for a count only before it refuses; while the database is unavailable it refuses nothing.
        """
        if self._full(owner) is not None:
            await self._recount()
        else:
            self._recount_soon()
        if (full := self._full(owner)) is not None:
            raise _refusal(full)
        if self._counting is not None:
            self._entered.append((owner, surface, 1))
        self._add(owner, surface, 1)

    def _full(self, owner: Owner) -> str | None:
        if self._owners[owner] >= self._tenant_max:
            return "tenant_queue_full"
        return "queue_full" if self._all >= self._total_max else None

    def _recount_soon(self) -> "asyncio.Task[None] | None":
        if self._counting is None and time.monotonic() - self._counted_at > FRESH_S:
            self._counting = asyncio.create_task(self._count(), name="count what is pending")
        return self._counting

    async def _recount(self) -> None:
        if (counting := self._recount_soon()) is not None:
            await asyncio.shield(counting)

    async def _count(self) -> None:
        try:
            async with asyncio.timeout(COUNT_S_MAX):
                counts = await pending.count(self._pool)
        except Exception as error:
            if not is_outage(error):
                raise
            logger.warning("count of pending generations failed, nothing is refused until the next count: %r", error)
            counts = []
        finally:
            self._counting, self._counted_at = None, time.monotonic()
        self._owners, self._surfaces, self._all = Counter(), Counter(), 0
        # What came in during the count is not in it, or not for certain; for a moment it may be counted twice.
        for owner, surface, number in (*counts, *self._entered):
            self._add(owner, surface, number)
        self._entered.clear()

    def _add(self, owner: Owner, surface: str, number: int) -> None:
        self._owners[owner] += number
        self._surfaces[surface] += number
        self._all += number


def _refusal(full: str) -> Problem:
    detail = (
        "Too many of your generations are waiting or being made; wait for one to end."
        if full == "tenant_queue_full"
        else "Too much is waiting here; nothing was started and nothing is charged."
    )
    return Problem(full, detail, headers={"Retry-After": str(RETRY_AFTER_S[full])})

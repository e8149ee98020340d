"""Turns at something scarce, shared between owners: a backlog delays its own owner and no other.

An owner holds at most so many turns at once, and owners that wait are served one turn each, round and round.
"""

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from atelier_contracts import Owner


class FairTurns:
    """``at_once`` turns in all, ``per_owner`` of them for one owner. For one event loop."""

    def __init__(self, *, at_once: int, per_owner: int) -> None:
        self._free = at_once
        self._per_owner = per_owner
        self._held: Counter[Owner] = Counter()
        self._waiting: OrderedDict[Owner, deque[asyncio.Future[None]]] = OrderedDict()

    @asynccontextmanager
    async def turn(self, owner: Owner, *, timeout_s: float) -> AsyncIterator[None]:
        """Holds a turn for the length of the block. Raises TimeoutError when none comes in time."""
        await self._take(owner, timeout_s)
        try:
            yield
        finally:
            self._give_back(owner)

    async def _take(self, owner: Owner, timeout_s: float) -> None:
        granted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(owner, deque()).append(granted)
        self._grant()
        try:
            async with asyncio.timeout(timeout_s):
                await granted
        except (TimeoutError, asyncio.CancelledError):
            if granted.done() and not granted.cancelled():
                self._give_back(owner)
            else:
                self._leave(owner, granted)
            raise

    def _leave(self, owner: Owner, granted: asyncio.Future[None]) -> None:
        queue = self._waiting.get(owner)
        if queue is not None and granted in queue:
            queue.remove(granted)
            if not queue:
                del self._waiting[owner]

    def _give_back(self, owner: Owner) -> None:
        self._free += 1
        self._held[owner] -= 1
        if not self._held[owner]:
            del self._held[owner]
        self._grant()

    def _grant(self) -> None:
        """Gives free turns to those that wait: to each owner in its turn, which then goes to the end."""
        while self._free and (owner := self._next()) is not None:
            granted = self._waiting[owner].popleft()
            if self._waiting[owner]:
                self._waiting.move_to_end(owner)
            else:
                del self._waiting[owner]
            if not granted.done():
                self._free -= 1
                self._held[owner] += 1
                granted.set_result(None)

    def _next(self) -> Owner | None:
        return next((owner for owner in self._waiting if self._held[owner] < self._per_owner), None)

"""Waiting for what must become true, with a deadline: no test trusts a sleep."""

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic

DEADLINE_S = 60.0
POLL_S = 0.01


async def becomes(expected: object, probe: Callable[[], Awaitable[object]], within_s: float = DEADLINE_S) -> None:
    """Returns as soon as ``probe`` answers ``expected``; fails with its last answer when it does not in time."""
    give_up = monotonic() + within_s
    while (last := await probe()) != expected:
        if monotonic() > give_up:
            raise AssertionError(f"expected {expected!r} within {within_s} s, last seen {last!r}")
        await asyncio.sleep(POLL_S)


async def happens(event: asyncio.Event, within_s: float = DEADLINE_S) -> None:
    """Returns when the event is set; TimeoutError when it is not in time."""
    async with asyncio.timeout(within_s):
        await event.wait()

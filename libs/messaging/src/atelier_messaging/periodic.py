"""Loops that run as long as the service: sweepers, timers, heartbeats."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable

PAUSE_S_MAX = 30.0
logger = logging.getLogger(__name__)


async def run_every(name: str, every_s: float, act: Callable[[], Awaitable[object]]) -> None:
    """Runs ``act`` about every ``every_s`` seconds, without end. A failure is logged and slows the loop down; nothing
    is lost by it, since each run starts from what the database says."""
    pause = every_s
    while True:
        await asyncio.sleep(pause * random.uniform(0.9, 1.1))
        try:
            await act()
            pause = every_s
        except Exception:
            pause = min(PAUSE_S_MAX, pause * 2)
            logger.exception("%s failed, retrying in %.1f s", name, pause)


async def wait_event(event: asyncio.Event, timeout_s: float) -> bool:
    """Waits for the event, ``timeout_s`` seconds at most; whether it is set. It stays set: the caller clears it."""
    try:
        async with asyncio.timeout(timeout_s):
            await event.wait()
    except TimeoutError:
        return False
    return True

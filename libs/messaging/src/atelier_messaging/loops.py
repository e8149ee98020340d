"""Loops that run as long as the service: sweepers, timers, heartbeats."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable

PAUSE_S_MAX = 30.0
logger = logging.getLogger(__name__)


async def keep_doing(name: str, every_s: float, act: Callable[[], Awaitable[object]]) -> None:
    """Acts for ever, about every ``every_s`` seconds. A failure is logged and slows the loop down; nothing is lost by
    it, since each act starts from what the database says."""
    pause = every_s
    while True:
        await asyncio.sleep(pause * random.uniform(0.9, 1.1))
        try:
            await act()
            pause = every_s
        except Exception:
            pause = min(PAUSE_S_MAX, pause * 2)
            logger.exception("%s failed; again in %.1f s", name, pause)

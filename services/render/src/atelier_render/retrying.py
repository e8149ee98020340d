"""Waiting for an object store that is away, as long as the caller is willing to: its deadline ends the wait."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from atelier_storage.errors import StorageUnavailable

PAUSE_S = 0.2
PAUSE_S_MAX = 5.0
logger = logging.getLogger(__name__)
T = TypeVar("T")


async def patiently(act: Callable[[], Awaitable[T]]) -> T:
    """Acts until the store answers, less and less often. Run it under a timeout."""
    pause = PAUSE_S
    while True:
        try:
            return await act()
        except StorageUnavailable as away:
            logger.warning("object store away, again in %.1f s: %s", pause, away)
            await asyncio.sleep(pause)
            pause = min(PAUSE_S_MAX, pause * 2)

"""Stores of sliding windows: Redis through the ``limits`` library, or the gateway's Postgres (``postgres_windows``).

The library is imported only where Redis is configured: importing it costs start-up time and memory.
"""

import time
from typing import TYPE_CHECKING

from atelier_gateway.rate_limits.limiter import WindowBackend, WindowCount
from atelier_gateway.rate_limits.postgres_windows import PostgresWindows
from atelier_messaging.database import Pool

if TYPE_CHECKING:
    from limits.aio.storage import MovingWindowSupport

LIBRARY_SCHEMES = ("redis://", "rediss://", "memory://")


def open_windows(redis_url: str | None, pool: Pool) -> WindowBackend:
    """Shared between all processes that are given the same Redis or the same database."""
    return library_windows(redis_url) if redis_url else PostgresWindows(pool)


def library_windows(url: str) -> WindowBackend:
    """Windows in one of the library's storages: ``redis[s]://…``, or ``memory://`` for a process that is alone."""
    from limits.aio.storage import MovingWindowSupport
    from limits.storage import storage_from_string

    client = {} if url.startswith("memory:") else {"implementation": "redispy"}
    storage = storage_from_string(f"async+{url}", wrap_exceptions=True, **client)
    assert isinstance(storage, MovingWindowSupport), "the storages of LIBRARY_SCHEMES have moving windows"
    return _LibraryWindows(storage)


class _LibraryWindows:
    """Any storage of the library that has moving windows."""

    def __init__(self, storage: "MovingWindowSupport") -> None:
        self._storage = storage

    async def take(self, key: str, limit: int, window_s: int) -> WindowCount:
        """Adds one, atomically, unless the window is full. Raises ConnectionError when the storage is unavailable."""
        from limits.errors import StorageError

        try:
            allowed = await self._storage.acquire_entry(key, limit, window_s)
            return await self._count(key, limit, window_s, allowed=allowed)
        except StorageError as error:
            raise ConnectionError("the storage of the limits does not answer") from error

    async def _count(self, key: str, limit: int, window_s: int, *, allowed: bool) -> WindowCount:
        began, used = await self._storage.get_moving_window(key, limit, window_s)
        left_s = began + window_s - time.time() if used else 0.0
        return WindowCount(allowed, used, left_s)

"""Retries object store calls while the store is unavailable; the caller's deadline ends the wait."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from atelier_messaging import until_available
from atelier_storage.errors import StorageUnavailable

PAUSE_S = 0.2
PAUSE_S_MAX = 5.0
T = TypeVar("T")


async def retry_while_storage_unavailable(act: Callable[[], Awaitable[T]]) -> T:
    """The result of ``act``, retried with growing pauses. Run it under a timeout."""
    return await until_available(
        act,
        what="object store call",
        pause_s=PAUSE_S,
        pause_s_max=PAUSE_S_MAX,
        is_unavailable=lambda error: isinstance(error, StorageUnavailable),
    )

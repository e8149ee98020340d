"""Runs synchronous calls without blocking the event loop: a bounded number at once, each with a timeout."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


class BoundedThreads:
    """A thread pool without a queue: a call waits for a free thread no longer than its own deadline."""

    def __init__(self, threads: int, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="storage")
        self._free = asyncio.Semaphore(threads)

    @property
    def is_exhausted(self) -> bool:
        """Whether every thread is busy."""
        return self._free.locked()

    async def run(self, call: Callable[[], T]) -> T:
        """The call's outcome; TimeoutError past the deadline, waiting for a thread included."""
        async with asyncio.timeout(self._timeout_s):
            await self._free.acquire()
            running = asyncio.get_running_loop().run_in_executor(self._pool, call)
            running.add_done_callback(self._release_thread)
            # Shielded: a caller who gives up does not free the thread, which ends by its own socket timeouts.
            return await asyncio.shield(running)

    def close(self) -> None:
        """Accepts no more calls; those running end by their own timeouts."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _release_thread(self, running: asyncio.Future[T]) -> None:
        self._free.release()
        if not running.cancelled():
            running.exception()  # retrieved, so that an abandoned call is not logged as 'exception was never retrieved'

"""Natural batching: the items that arrive while one batch runs become the next batch.

Alone, an item never waits for company; under load, many items share one commit. No timer is involved.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Overloaded(Exception):
    """More items wait than the batcher is allowed to hold."""


class Batcher(Generic[Item, Result]):
    """Runs ``run`` over groups of submitted items, one group at a time.

    ``run`` returns one result per item, in order; an exception from it reaches every submitter of that group.
    """

    def __init__(
        self, run: Callable[[Sequence[Item]], Awaitable[Sequence[Result]]], *, batch_max: int, waiting_max: int = 10_000
    ) -> None:
        self._run = run
        self._batch_max = batch_max
        self._waiting_max = waiting_max
        self._waiting: deque[tuple[Item, asyncio.Future[Result]]] = deque()
        self._worker: asyncio.Task[None] | None = None

    async def submit(self, item: Item) -> Result:
        """The item's own result. Raises Overloaded when too many wait, or what ``run`` raised."""
        if len(self._waiting) >= self._waiting_max:
            raise Overloaded(f"{self._waiting_max} items are waiting already")
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._worker is None or self._worker.done():
            self._worker = asyncio.create_task(self._work())
        return await future

    async def _work(self) -> None:
        while self._waiting:
            group = [self._waiting.popleft() for _ in range(min(self._batch_max, len(self._waiting)))]
            try:
                results = await self._run([item for item, _ in group])
                if len(results) != len(group):
                    raise AssertionError(f"{len(results)} results for {len(group)} items")
            except Exception as error:  # noqa: BLE001 - it reaches every submitter of the group
                _fail(group, error)
            except BaseException:
                # The worker ends here: those who still wait must not wait forever.
                _fail([*group, *self._waiting], ConnectionError("shut down"))
                self._waiting.clear()
                raise
            else:
                for (_, future), result in zip(group, results, strict=True):
                    if not future.done():
                        future.set_result(result)

    async def drain(self) -> None:
        """Returns when no item is waiting."""
        while self._worker is not None and not self._worker.done():
            await asyncio.wait([self._worker])


def _fail(group: Iterable[tuple[Item, asyncio.Future[Result]]], error: Exception) -> None:
    for _, future in group:
        if not future.done():
            future.set_exception(error)

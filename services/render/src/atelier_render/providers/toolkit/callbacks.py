"""Who waits for news of what: callbacks end waits early and decide nothing, so losing or repeating one does no harm."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


class CallbackWaiters:
    """Who waits for news of which job, in this process."""

    def __init__(self) -> None:
        self._waiting: dict[str, asyncio.Event] = {}

    @contextmanager
    def of(self, key: str) -> Iterator[asyncio.Event]:
        """The event that a callback for this job sets."""
        event = self._waiting.setdefault(key, asyncio.Event())
        try:
            yield event
        finally:
            self._waiting.pop(key, None)

    def ring(self, key: str) -> None:
        """Wakes the waiter for the job, if there is one."""
        if event := self._waiting.get(key):
            event.set()

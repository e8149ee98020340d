"""The way to one remote provider: not more calls at once than it bears, and none while it keeps failing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from atelier_resilience.breaker import CircuitBreaker, State
from atelier_telemetry import metrics

CALLS_MAX = 4
"""Where no other number is set."""
LEVELS: dict[State, int] = {"closed": 0, "half-open": 1, "open": 2}


class ProviderGate:
    """Of one provider, for this process."""

    def __init__(self, provider: str, *, calls_max: int, breaker: CircuitBreaker | None = None) -> None:
        self._slots = asyncio.Semaphore(calls_max)
        self._breaker = breaker or CircuitBreaker()
        # Asked for at every scrape: an open breaker becomes half-open by time alone.
        metrics.PROVIDER_BREAKER.labels(provider).set_function(lambda: LEVELS[self._breaker.state])

    @asynccontextmanager
    async def enter(self) -> AsyncIterator[None]:
        """One call; waits for its turn. Raises CircuitOpen."""
        async with self._slots:
            with self._breaker.guard():
                yield

    def count(self, *, well: bool | None) -> None:
        """How a call went; None shows nothing."""
        if well is not None:
            self._breaker.record(success=well)

"""The way to one remote provider: not more calls at once than it bears, and none while it keeps failing."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal

from atelier_resilience.breaker import CircuitBreaker, CircuitOpen, State
from atelier_telemetry import metrics

CALLS_MAX = 4
"""Where no other number is set."""
LEVELS: dict[State, int] = {"closed": 0, "half-open": 1, "open": 2}


Held = Literal["open", "closed"]


class HeldOpen(CircuitOpen):
    """The request was not made: an operator keeps the provider from being used."""


class ProviderGate:
    """Of one provider, for this process."""

    def __init__(self, provider: str, *, calls_max: int, breaker: CircuitBreaker | None = None) -> None:
        self._slots = asyncio.Semaphore(calls_max)
        self._breaker = breaker or CircuitBreaker()
        self._held: Held | None = None
        self._held_until = 0.0
        # Asked for at every scrape: an open breaker becomes half-open by time alone.
        metrics.PROVIDER_BREAKER.labels(provider).set_function(lambda: LEVELS[self.state])

    @property
    def state(self) -> State:
        """What the next call meets."""
        return self._override or self._breaker.state

    def hold(self, state: Held | None, left_s: float = 0.0) -> None:
        """An operator holds it open or closed for so long; None: it follows its own counts again."""
        self._held, self._held_until = state, time.monotonic() + left_s

    @asynccontextmanager
    async def enter(self) -> AsyncIterator[None]:
        """One call; waits for its turn. Raises CircuitOpen."""
        async with self._slots:
            held = self._override
            if held == "open":
                raise HeldOpen(max(1.0, self._held_until - time.monotonic()))
            if held == "closed":
                yield
                return
            with self._breaker.guard():
                yield

    def count(self, *, well: bool | None) -> None:
        """How a call went; None shows nothing."""
        if well is not None:
            self._breaker.record(success=well)

    @property
    def _override(self) -> Held | None:
        return self._held if time.monotonic() < self._held_until else None

"""A circuit breaker: what has failed again and again is left alone for a while (seed 002, rollback plan).

Closed, it lets everything pass; open, nothing; after a pause, half-open, one request that shows how things stand.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

FAILURES_MAX = 5
PAUSE_S = 60.0

State = Literal["closed", "half-open", "open"]


class CircuitOpen(Exception):
    """Not tried. ``wait_s`` seconds from now it may be."""

    def __init__(self, wait_s: float) -> None:
        super().__init__("the circuit breaker is open")
        self.wait_s = wait_s


class CircuitBreaker:
    """Counts failures in a row, in this process. Whoever passes says how it went."""

    def __init__(self, *, pause_s: float = PAUSE_S, clock: Callable[[], float] = time.monotonic) -> None:
        self._pause_s = pause_s
        self._clock = clock
        self._failures = 0
        self._failed_at = 0.0
        self._trial = False

    @property
    def state(self) -> State:
        """What the next request meets."""
        if self._failures < FAILURES_MAX:
            return "closed"
        return "half-open" if self._clock() - self._failed_at > self._pause_s and not self._trial else "open"

    @contextmanager
    def guard(self) -> Iterator[None]:
        """One request, which says by ``record`` how it went, or nothing if it showed nothing. Raises CircuitOpen."""
        if (state := self.state) == "open":
            raise CircuitOpen(max(1.0, self._pause_s - (self._clock() - self._failed_at)))
        is_trial = state == "half-open"
        self._trial = self._trial or is_trial
        try:
            yield
        finally:
            # Who entered before it opened may leave while the trial is still under way.
            self._trial = self._trial and not is_trial

    def record(self, *, success: bool) -> None:
        """How a request went."""
        if success:
            self._failures = 0
        else:
            self._failures += 1
            self._failed_at = self._clock()

    @contextmanager
    def guard_errors(self, is_failure: Callable[[Exception], bool]) -> Iterator[None]:
        """One request that went badly if it raises what ``is_failure`` counts. Raises CircuitOpen."""
        with self.guard():
            try:
                yield
            except Exception as error:
                self.record(success=not is_failure(error))
                raise
            self.record(success=True)

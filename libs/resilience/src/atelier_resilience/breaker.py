"""A circuit breaker: after repeated failures no request is made for a while.

Closed, it admits every request; open, none; after a pause, half-open, a single trial request.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

FAILURES_MAX = 5
PAUSE_S = 60.0

State = Literal["closed", "half-open", "open"]


class CircuitOpen(Exception):
    """The request was not made; it may be tried again in ``wait_s`` seconds."""

    def __init__(self, wait_s: float) -> None:
        super().__init__("the circuit breaker is open")
        self.wait_s = wait_s


class CircuitBreaker:
    """Counts consecutive failures in this process. Each request records its outcome."""

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
        """One request, whose outcome is given to ``record``, if it has one. Raises CircuitOpen."""
        if (state := self.state) == "open":
            raise CircuitOpen(max(1.0, self._pause_s - (self._clock() - self._failed_at)))
        is_trial = state == "half-open"
        self._trial = self._trial or is_trial
        try:
            yield
        finally:
            # A request from before it opened may end while the trial is still under way.
            self._trial = self._trial and not is_trial

    def record(self, *, success: bool) -> None:
        """Counts the outcome of a request."""
        if success:
            self._failures = 0
        else:
            self._failures += 1
            self._failed_at = self._clock()

    @contextmanager
    def guard_errors(self, is_failure: Callable[[Exception], bool]) -> Iterator[None]:
        """One request, which fails if it raises an error that ``is_failure`` accepts. Raises CircuitOpen."""
        with self.guard():
            try:
                yield
            except Exception as error:
                self.record(success=not is_failure(error))
                raise
            self.record(success=True)

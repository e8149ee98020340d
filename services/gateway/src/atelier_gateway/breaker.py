"""A circuit breaker: what has failed again and again is left alone for a while (seed 002, rollback plan).

Closed, it lets everything pass; open, nothing; after a pause, half-open, one request that shows how things stand.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

FAILURES_MAX = 5
PAUSE_S = 60.0

State = Literal["closed", "open", "half-open"]


class CircuitOpen(Exception):
    """Not tried. ``wait_s`` seconds from now it may be."""

    def __init__(self, wait_s: float) -> None:
        super().__init__("the circuit breaker is open")
        self.wait_s = wait_s


class CircuitBreaker:
    """Counts failures in a row, in this process. Whoever passes says how it went."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures = 0
        self._failed_at = 0.0
        self._trial = False

    @property
    def state(self) -> State:
        """What the next request meets."""
        if self._failures < FAILURES_MAX:
            return "closed"
        return "half-open" if self._clock() - self._failed_at > PAUSE_S and not self._trial else "open"

    @contextmanager
    def passing(self, is_failure: Callable[[Exception], bool]) -> Iterator[None]:
        """One request; an exception that ``is_failure`` counts. Raises CircuitOpen."""
        self._enter()
        try:
            yield
        except Exception as error:
            if is_failure(error):
                self._failures += 1
                self._failed_at = self._clock()
            else:
                self._failures = 0
            raise
        else:
            self._failures = 0
        finally:
            self._trial = False

    def _enter(self) -> None:
        if (state := self.state) == "open":
            raise CircuitOpen(max(1.0, PAUSE_S - (self._clock() - self._failed_at)))
        self._trial = state == "half-open"

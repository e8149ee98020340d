"""How much of its time a process spends on comparisons that no operator waits for."""

import time
from collections.abc import Callable

from atelier_session.reconcile.store import Scope


class Pace:
    """Rests between pages, so that recent runs by the schedule take ``share`` of the time, above 0 up to 1. ``clock``
    returns seconds that never go back."""

    def __init__(self, share: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._share = share
        self._clock = clock
        self._rests_until: dict[Scope, float] = {}
        self._hurried: set[Scope] = set()

    def hurry(self, scope: Scope) -> None:
        """An operator waits for the run of this scope: it does not rest until it has ended."""
        self._hurried.add(scope)

    def may_go_on(self, scope: Scope) -> bool:
        """Whether the next page may be compared now. Thorough runs rest between their rounds instead."""
        return scope != "recent" or scope in self._hurried or self._clock() >= self._rests_until.get(scope, 0.0)

    def note_page(self, scope: Scope, took_s: float) -> None:
        """A page took so long."""
        self._rests_until[scope] = self._clock() + took_s * (1 / self._share - 1)

    def note_end(self, scope: Scope) -> None:
        """The run of this scope is over."""
        self._hurried.discard(scope)

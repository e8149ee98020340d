"""What the tables said of credentials a moment ago: a revocation must be effective within 5 s, in every process."""

import time
from collections import OrderedDict
from typing import Generic, TypeVar

CACHE_TTL_S = 4.9
"""How long a credential is believed, counted from before the table was read."""
CACHE_ENTRIES_MAX = 10_000

Key = TypeVar("Key")
Value = TypeVar("Value")


class TtlCache(Generic[Key, Value]):
    """Forgets after ``CACHE_TTL_S``. Holds only what the table said yes to."""

    def __init__(self) -> None:
        self._entries: OrderedDict[Key, tuple[float, Value]] = OrderedDict()

    def get(self, key: Key) -> Value | None:
        """What was put under the key, if that was a moment ago."""
        found = self._entries.get(key)
        return found[1] if found and found[0] > time.monotonic() else None

    def set(self, key: Key, value: Value, *, as_of: float) -> None:
        """Remembers, at the expense of the oldest. ``as_of``: monotonic seconds, from before the table was read."""
        self._entries[key] = (as_of + CACHE_TTL_S, value)
        self._entries.move_to_end(key)
        if len(self._entries) > CACHE_ENTRIES_MAX:
            self._entries.popitem(last=False)

    def discard(self, key: Key) -> None:
        """Forgets this one now."""
        self._entries.pop(key, None)

    def clear(self) -> None:
        """After an act that takes something away: this process must not be the last to know."""
        self._entries.clear()

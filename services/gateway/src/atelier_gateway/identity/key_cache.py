"""The API keys in use. All of them are read again in one statement before they are forgotten, while they are used.

So a busy gateway reads its keys every ``REFRESH_AFTER_S`` seconds however many there are, and no request waits for it.
"""

import asyncio
import logging
import time

from atelier_gateway.identity import api_keys, stores
from atelier_gateway.identity.api_keys import StoredKey
from atelier_gateway.identity.ttl_cache import TtlCache
from atelier_messaging import is_outage
from atelier_messaging.database import Pool

REFRESH_AFTER_S = 3.0
logger = logging.getLogger(__name__)


class KeyCache:
    """Stored keys with their prefixes, by the digest of the whole key."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._keys: TtlCache[bytes, tuple[str, StoredKey]] = TtlCache()
        self._used: set[bytes] = set()
        self._read_at = time.monotonic()
        self._clears = 0
        self._refresh: asyncio.Task[None] | None = None

    def get(self, digest: bytes) -> StoredKey | None:
        """The key, if the table had it a moment ago."""
        found = self._keys.get(digest)
        if found is None:
            return None
        self._used.add(digest)
        if time.monotonic() - self._read_at > REFRESH_AFTER_S and (self._refresh is None or self._refresh.done()):
            self._refresh = asyncio.create_task(self.refresh(), name="refresh of API keys")
        return found[1]

    def set(self, digest: bytes, prefix: str, key: StoredKey, *, as_of: float) -> None:
        """Remembers a key that matches. ``as_of``: monotonic seconds, from before the table was read."""
        self._keys.set(digest, (prefix, key), as_of=as_of)

    def clear(self) -> None:
        """Forgets them all: each is read again before it is believed."""
        self._keys.clear()
        self._clears += 1

    async def refresh(self) -> None:
        """Reads the keys used since the last time again. Those revoked are forgotten; while the table cannot be read,
        each is forgotten in its time."""
        used, self._used, self._read_at = self._used, set(), time.monotonic()
        as_of, prefixes = self._read_at, {digest: found[0] for digest in used if (found := self._keys.get(digest))}
        clears = self._clears
        try:
            stored = await stores.find_keys_by_prefix(self._pool, set(prefixes.values()))
        except Exception as error:
            if not is_outage(error):
                raise
            logger.warning("refresh of API keys failed, each is read again when it is used: %r", error)
            return
        if clears != self._clears:
            return  # what was read may be older than the reason to forget it
        for digest, prefix in prefixes.items():
            key = stored.get(prefix)
            if key is not None and api_keys.matches(digest, key):
                self._keys.set(digest, (prefix, key), as_of=as_of)
            else:
                self._keys.discard(digest)

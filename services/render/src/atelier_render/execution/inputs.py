"""Turns the references of a job into bytes: stored objects of the same owner, or URLs fetched with care.

The service judges every key itself: that a message names it proves nothing (SECURITY, messages).
"""

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from atelier_contracts import InputRef, Owner
from atelier_render.providers.protocol import Input
from atelier_render.retrying import retry_while_storage_unavailable
from atelier_storage import keys
from atelier_storage.errors import FetchFailed, ObjectCorrupt, ObjectMissing, ObjectTooLarge
from atelier_storage.objects import ObjectStore
from atelier_storage.safe_fetcher import SafeFetcher
from atelier_storage.url_policy import UrlRefusal

INPUT_BYTES_MAX = 25 * 1024 * 1024
FETCH_TRIES_MAX = 3
FETCH_PAUSE_S = 0.5


@dataclass(frozen=True, slots=True)
class InputRefused:
    """An input that will never do; the reason is meant for the client."""

    reason: str


class Inputs:
    """Loads what a job refers to."""

    def __init__(self, store: ObjectStore, fetcher: SafeFetcher) -> None:
        self._store = store
        self._fetcher = fetcher

    async def load(self, owner: Owner, references: Sequence[InputRef]) -> tuple[Input, ...] | InputRefused:
        """All inputs in order, or why the first bad one is refused."""
        loaded = []
        for place, reference in enumerate(references, 1):
            data = await self._load(owner, reference)
            if isinstance(data, InputRefused):
                return InputRefused(f"input {place} ({reference.role}): {data.reason}")
            loaded.append(Input(reference.role, data))
        return tuple(loaded)

    async def _load(self, owner: Owner, reference: InputRef) -> bytes | InputRefused:
        key = reference.key
        if key is None and reference.url is not None:
            key = self._store.key_of(reference.url)
            if key is None:
                return await self._fetch(reference.url)
        if key is None:
            return InputRefused("it names neither a key nor a URL")
        data = await self._read(owner, key)
        if isinstance(data, bytes) and not await _is_as_priced(data, reference.sha256):
            return InputRefused("its bytes are not those that were checked and priced")
        return data

    async def _read(self, owner: Owner, key: str) -> bytes | InputRefused:
        if not keys.belongs_to(key, owner.kind, owner.id):
            return InputRefused("there is no such object")  # the same answer for another tenant's key
        try:
            return await retry_while_storage_unavailable(lambda: self._store.get(key, INPUT_BYTES_MAX))
        except ObjectMissing:
            return InputRefused("there is no such object")
        except ObjectTooLarge:
            return InputRefused(f"it is larger than {INPUT_BYTES_MAX} bytes")
        except ObjectCorrupt:
            return InputRefused("its bytes no longer match their checksum")

    async def _fetch(self, url: str) -> bytes | InputRefused:
        for attempt in range(1, FETCH_TRIES_MAX + 1):
            try:
                fetched = await self._fetcher.fetch(url)
            except FetchFailed as error:
                if attempt == FETCH_TRIES_MAX:
                    return InputRefused(f"it could not be fetched: {error}")
                await asyncio.sleep(FETCH_PAUSE_S * 2**attempt)
            else:
                return InputRefused(fetched.message) if isinstance(fetched, UrlRefusal) else fetched.body
        raise AssertionError("the last try answers")


async def _is_as_priced(data: bytes, sha256: str | None) -> bool:
    if sha256 is None:
        return True
    return await asyncio.to_thread(lambda: hashlib.sha256(data).hexdigest()) == sha256

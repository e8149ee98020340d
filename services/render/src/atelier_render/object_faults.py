"""Which artefacts on record have objects that the store does not have, or has otherwise."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from atelier_messaging.database import Pool
from atelier_storage.errors import ObjectCorrupt, ObjectMissing
from atelier_storage.objects import PUT_BYTES_MAX, ObjectStore

READS_MAX = 8
"""Objects that are read at once."""
Fault = Literal["missing", "altered"]
_STILL_NAMED = "SELECT key FROM artefacts WHERE key = ANY($1::text[])"


@dataclass(frozen=True, slots=True)
class Artefact:
    """A row of ``artefacts``: ``size`` in bytes, ``sha256`` in hex."""

    key: str
    generation_id: UUID
    size: int
    sha256: str
    created_at: datetime


Check = Callable[[ObjectStore, Artefact], Awaitable[bool]]
"""Whether an object is as recorded. Raises ObjectMissing, ObjectCorrupt, StorageUnavailable."""


async def check_head(objects: ObjectStore, artefact: Artefact) -> bool:
    """By its size and by the digest that the store keeps with it: one request."""
    info = await objects.stat(artefact.key)
    return info.size == artefact.size and info.sha256 in (artefact.sha256, None)


async def check_bytes(objects: ObjectStore, artefact: Artefact) -> bool:
    """By the digest of all of its bytes."""
    data = await objects.get(artefact.key, PUT_BYTES_MAX)
    return hashlib.sha256(data).hexdigest() == artefact.sha256


async def find_faults(
    pool: Pool, objects: ObjectStore, artefacts: Sequence[Artefact], check: Check
) -> list[tuple[Artefact, Fault]]:
    """Those whose objects are not as recorded. Raises StorageUnavailable."""
    slots = asyncio.Semaphore(READS_MAX)

    async def look(artefact: Artefact) -> tuple[Artefact, Fault | None]:
        async with slots:
            return artefact, await _find_fault(objects, artefact, check)

    looked = await asyncio.gather(*map(look, artefacts))
    if not (faults := [(artefact, fault) for artefact, fault in looked if fault is not None]):
        return []
    # Removed in the meantime: its row went first.
    named = {row["key"] for row in await pool.fetch(_STILL_NAMED, [artefact.key for artefact, _ in faults])}
    return [(artefact, fault) for artefact, fault in faults if artefact.key in named]


async def _find_fault(objects: ObjectStore, artefact: Artefact, check: Check) -> Fault | None:
    try:
        return None if await check(objects, artefact) else "altered"
    except ObjectMissing:
        return "missing"
    except ObjectCorrupt:
        return "altered"

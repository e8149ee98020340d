"""The same POST twice is one generation: what a repeated ``Idempotency-Key`` is answered. Pure.

A key is kept for a day per tenant and route. A request refused before admission leaves no trace of its key; an
admitted or declined one is answered again, byte for byte.
"""

import hashlib
import re
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from atelier_gateway.web.problems import Problem

IDEMPOTENCY_KEY_HEADER = "Idempotency-Key"
REPLAYED_HEADER = "Idempotency-Replayed"
KEPT_H = 24
REBUILD_AFTER = timedelta(seconds=10)
"""The age at which a claim without a reply is taken to be the work of a process that died."""
ABANDONED_AFTER = timedelta(minutes=5)
"""The age at which that is certain: longer than an admission lasts with the longest `admission_s` (a minute), which it
waits three times, and a withdrawal in doubt."""
_VISIBLE_ASCII = re.compile(r"[\x21-\x7e]{1,255}")


@dataclass(frozen=True, slots=True)
class StoredResponse:
    """An answer as it went out, ready to go out again."""

    status: int
    body: bytes


@dataclass(frozen=True, slots=True)
class IdempotencyClaim:
    """One use of a key: of this tenant, on this route, for this request, by the request ``holder``."""

    owner_kind: str
    owner_id: UUID
    route: str
    key: str
    fingerprint: bytes
    holder: UUID
    """The generation (or other deed) that this claim stands for."""


@dataclass(frozen=True, slots=True)
class StoredClaim:
    """A claim found in the table."""

    fingerprint: bytes
    holder: UUID
    reply: StoredResponse | None
    age: timedelta
    """Since it was claimed, by the database's clock."""


@dataclass(frozen=True, slots=True)
class RebuildResponse:
    """The request that claimed the key died before its answer: look up the outcome of ``holder`` and answer with it."""

    holder: UUID
    is_abandoned: bool = False
    """Whether it is certain that its process does nothing any more."""


def validate_key(key: str | None) -> str | None:
    """The key as given. Raises Problem 400 unless it is 1 to 255 visible ASCII characters."""
    if key is not None and not _VISIBLE_ASCII.fullmatch(key):
        raise Problem("invalid_idempotency_key", f"{IDEMPOTENCY_KEY_HEADER} has 1 to 255 visible ASCII characters.")
    return key


def fingerprint(*parts: str) -> bytes:
    """What makes two requests the same: SHA-256 over the parsed parts, so spacing and field order do not matter."""
    digest = hashlib.sha256()
    for part in parts:
        encoded = part.encode()
        digest.update(len(encoded).to_bytes(8, "big") + encoded)
    return digest.digest()


def resolve(stored: StoredClaim, fingerprint: bytes) -> StoredResponse | RebuildResponse:
    """What a second request with the key gets. Raises Problem 422 for another request, 409 while the first runs."""
    if stored.fingerprint != fingerprint:
        raise Problem(
            "idempotency_key_reused", f"This {IDEMPOTENCY_KEY_HEADER} belongs to a request with another body."
        )
    if stored.reply is not None:
        return stored.reply
    if stored.age >= REBUILD_AFTER:
        return RebuildResponse(stored.holder, is_abandoned=stored.age >= ABANDONED_AFTER)
    raise Problem(
        "request_in_progress", "The first request with this key is not answered yet.", headers={"Retry-After": "1"}
    )

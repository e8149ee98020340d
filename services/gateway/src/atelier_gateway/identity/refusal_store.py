"""SQL of refused requests: one row for an owner, surface and code in an hour, however many requests it stands for."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from atelier_contracts import Owner
from atelier_messaging.database import Pool

KEPT_DAYS = 30
PRUNED_AT_ONCE = 5_000

# Sorted by its key, so that two processes that write the same rows wait for each other instead of deadlocking.
_ADD = """
INSERT INTO refusals AS r (id, owner_kind, owner_id, hour, surface, code, number, last_at, detail, request_id)
SELECT n.id, n.owner_kind, n.owner_id, date_trunc('hour', n.last_at, 'UTC'), n.surface, n.code, n.number, n.last_at,
       n.detail, n.request_id
FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::text[], $5::text[], $6::int[], $7::timestamptz[], $8::text[],
            $9::text[]) AS n(id, owner_kind, owner_id, surface, code, number, last_at, detail, request_id)
ORDER BY n.owner_kind, n.owner_id, date_trunc('hour', n.last_at, 'UTC'), n.surface, n.code
ON CONFLICT (owner_kind, owner_id, hour, surface, code) DO UPDATE
SET number = r.number + excluded.number, last_at = excluded.last_at, detail = excluded.detail,
    request_id = excluded.request_id
"""
_PAGE = """
SELECT id, owner_kind, owner_id, hour, surface, code, number, last_at, detail, request_id FROM refusals
WHERE ($1::uuid IS NULL OR id < $1) ORDER BY id DESC LIMIT $2
"""
_PAGE_OF_OWNER = """
SELECT id, owner_kind, owner_id, hour, surface, code, number, last_at, detail, request_id FROM refusals
WHERE owner_kind = $3 AND owner_id = $4 AND ($1::uuid IS NULL OR id < $1) ORDER BY id DESC LIMIT $2
"""
_PRUNE = """
DELETE FROM refusals WHERE id IN (
    SELECT id FROM refusals WHERE id < $1 ORDER BY id LIMIT $2
)
"""


@dataclass(frozen=True, slots=True)
class NewRefusals:
    """``number`` requests of an owner that were refused alike; the last of them."""

    id: UUID
    owner: Owner
    surface: str
    code: str
    number: int
    last_at: datetime
    detail: str
    request_id: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """What was refused alike within an hour. ``detail`` and ``request_id`` are the last one's."""

    id: UUID
    owner: Owner
    hour: datetime
    surface: str
    code: str
    number: int
    last_at: datetime
    detail: str
    request_id: str


async def add(pool: Pool, refused: Collection[NewRefusals]) -> None:
    """Counts these."""
    rows = [
        (r.id, r.owner.kind, r.owner.id, r.surface, r.code, r.number, r.last_at, r.detail, r.request_id)
        for r in refused
    ]
    await pool.execute(_ADD, *map(list, zip(*rows, strict=True)))


async def list_page(pool: Pool, owner: Owner | None, *, before: UUID | None, limit: int) -> list[Refusal]:
    """Of an owner or of all, those of the newest hour first."""
    if owner is None:
        rows = await pool.fetch(_PAGE, before, limit)
    else:
        rows = await pool.fetch(_PAGE_OF_OWNER, before, limit, owner.kind, owner.id)
    return [
        Refusal(
            owner=Owner(kind=row["owner_kind"], id=row["owner_id"]),
            **{name: row[name] for name in Refusal.__slots__ if name != "owner"},
        )
        for row in rows
    ]


async def prune(pool: Pool, first_kept: UUID) -> None:
    """Deletes those before this id, a bounded number at once."""
    await pool.execute(_PRUNE, first_kept, PRUNED_AT_ONCE)

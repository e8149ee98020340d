"""SQL of the outputs that go into their clients' own buckets."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from atelier_messaging import Transaction
from atelier_messaging.database import Connection, Pool

_INSERT = """
INSERT INTO bucket_uploads (generation_id, output, url)
SELECT g.id, u.place - 1, u.url FROM generations g JOIN unnest($1::uuid[], $2::int[]) AS r(id, made) USING (id)
CROSS JOIN LATERAL jsonb_array_elements_text(g.request -> 'deliver_to') WITH ORDINALITY AS u(url, place)
WHERE jsonb_typeof(g.request -> 'deliver_to') = 'array' AND u.place <= r.made
ON CONFLICT DO NOTHING
"""
# Of one owner only some at once, in all processes: a bucket that does not answer holds back no other owner's outputs.
_LEASE = """
WITH under_way AS (
    SELECT g.owner_id, count(*) AS uploads FROM bucket_uploads b JOIN generations g ON g.id = b.generation_id
    WHERE b.state = 'pending' AND b.leased_until >= now() GROUP BY 1
), waiting AS (
    SELECT b.generation_id, b.output, b.next_try_at, g.owner_id,
           row_number() OVER (PARTITION BY g.owner_id ORDER BY b.next_try_at, b.generation_id, b.output) AS place
    FROM bucket_uploads b JOIN generations g ON g.id = b.generation_id
    WHERE b.state = 'pending' AND b.next_try_at <= now() AND (b.leased_until IS NULL OR b.leased_until < now())
), next AS (
    SELECT generation_id, output FROM waiting LEFT JOIN under_way USING (owner_id)
    WHERE place + COALESCE(uploads, 0) <= $4 ORDER BY next_try_at LIMIT $2
), due AS (
    SELECT b.generation_id, b.output FROM bucket_uploads b JOIN next USING (generation_id, output)
    WHERE b.state = 'pending' AND (b.leased_until IS NULL OR b.leased_until < now()) FOR UPDATE OF b SKIP LOCKED
)
UPDATE bucket_uploads b SET lease_id = $1, leased_until = now() + make_interval(secs => $3)
FROM due JOIN generations g ON g.id = due.generation_id
WHERE b.generation_id = due.generation_id AND b.output = due.output
RETURNING b.generation_id, b.output, b.url, b.tries,
          CASE WHEN g.state = 'delivering' THEN g.handover -> 'outputs' -> b.output::int END AS artefact
"""
# Only the process that has leased it last: one that was given up for dead must not undo what its successor has written.
_RECORD = """
UPDATE bucket_uploads
SET state = $4, tries = tries + 1, lease_id = NULL, leased_until = NULL, status = $5, etag = $6, error = $7,
    next_try_at = now() + make_interval(secs => $8)
WHERE generation_id = $1 AND output = $2 AND lease_id = $3 AND state = 'pending' RETURNING true
"""
_STANDING = """
SELECT count(*) FILTER (WHERE state = 'pending') AS pending, min(error) FILTER (WHERE state = 'failed') AS error
FROM bucket_uploads WHERE generation_id = $1
"""


@dataclass(frozen=True, slots=True)
class LeasedUpload:
    """An output to be put; ``artefact`` as the handover names it, None where it is not to be delivered any more.
    ``tries`` are those that came before."""

    generation_id: UUID
    output: int
    url: str = field(repr=False)
    tries: int
    artefact: dict[str, Any] | None
    lease_id: UUID


@dataclass(frozen=True, slots=True)
class PutOutcome:
    """The outcome of a try: a status with the ETag, or an error."""

    status: int | None = None
    etag: str | None = None
    error: str | None = None


def insert(tx: Transaction, made: Sequence[tuple[UUID, int]]) -> None:
    """The outputs of those of these generations that have URLs for them, with how many were made."""
    if made:
        tx.write("bucket_uploads", _INSERT, [id_ for id_, _ in made], [count for _, count in made])


async def lease(pool: Pool, *, limit: int, of_owner: int, lease_s: float) -> list[LeasedUpload]:
    """Due ones, with those under way at most ``of_owner`` of one owner; no other process puts them for ``lease_s``."""
    lease_id = uuid7()
    rows = await pool.fetch(_LEASE, lease_id, limit, lease_s, of_owner)
    return [LeasedUpload(**dict(row), lease_id=lease_id) for row in rows]


async def record(
    connection: Connection, due: LeasedUpload, state: str, outcome: PutOutcome, *, wait_s: float = 0.0
) -> bool:
    """Writes the outcome of a try down; False where another process has leased it since."""
    return bool(
        await connection.fetchval(
            _RECORD,
            due.generation_id,
            due.output,
            due.lease_id,
            state,
            outcome.status,
            outcome.etag,
            outcome.error,
            wait_s,
        )
    )


async def standing(connection: Connection, id_: UUID) -> tuple[int, str | None]:
    """How many outputs of a generation are still to be put, and why one failed for good; None where none did."""
    row = await connection.fetchrow(_STANDING, id_)
    assert row is not None
    return row["pending"], row["error"]

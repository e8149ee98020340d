"""How results go: what is removed for a reason, what is left without a row, and rows that are old."""

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from typing import Literal
from uuid import UUID

from atelier_messaging.database import Connection, Pool
from atelier_storage.keys import generation_of

SWEEP_LOCK = 7_283_301
"""Of the advisory lock under which one process at a time sweeps."""

Reason = Literal["requested", "retention", "late", "undelivered", "delivered"]

# A key that a row names is never doomed: an attempt whose commit succeeded but was not answered would doom its own.
_DOOM = """
INSERT INTO doomed_objects (key, reason, due_at)
SELECT d.key, $3, now() + make_interval(secs => $4) FROM unnest($1::text[], $2::uuid[]) AS d(key, generation_id)
WHERE NOT EXISTS (SELECT FROM artefacts a WHERE a.generation_id = d.generation_id AND d.key IN (a.key, a.thumbnail))
ON CONFLICT DO NOTHING
"""
_DOOM_INPUTS = """
INSERT INTO doomed_objects (key, reason) SELECT unnest($1::text[]), 'requested' ON CONFLICT DO NOTHING
"""
_DUE = "SELECT key FROM doomed_objects WHERE due_at <= now() ORDER BY due_at LIMIT $1"
_GONE = "DELETE FROM doomed_objects WHERE key = ANY($1::text[]) RETURNING reason"
_OLD = """
SELECT generation_id FROM results WHERE generation_id IN (
    (SELECT generation_id FROM results WHERE keep_until <= now() ORDER BY keep_until LIMIT $2)
    UNION
    (SELECT generation_id FROM results WHERE $1 > 0 AND created_at < now() - make_interval(days => $1)
     ORDER BY created_at LIMIT $2)
) LIMIT $2 FOR UPDATE SKIP LOCKED
"""
_RETIRE = """
WITH gone AS (
    DELETE FROM artefacts WHERE generation_id = ANY($1::uuid[]) RETURNING generation_id, key, thumbnail
), doomed AS (
    INSERT INTO doomed_objects (key, reason)
    SELECT key, $2 FROM gone UNION ALL SELECT thumbnail, $2 FROM gone WHERE thumbnail IS NOT NULL
    ON CONFLICT DO NOTHING
), forgotten AS (
    DELETE FROM results WHERE generation_id = ANY($1::uuid[])
), counted AS (
    SELECT id AS generation_id, (SELECT count(*) FROM gone WHERE gone.generation_id = id) AS outputs
    FROM unnest($1::uuid[]) AS id
), told AS (
    INSERT INTO removals (generation_id, reason, outputs) SELECT generation_id, $2, outputs FROM counted
    WHERE EXISTS (SELECT FROM jobs j WHERE j.generation_id = counted.generation_id) ON CONFLICT DO NOTHING
)
SELECT coalesce(sum(outputs), 0)::int FROM counted
"""
_WITHDRAW = """
WITH gone AS (
    DELETE FROM artefacts WHERE generation_id = $1 AND key <> ALL($2::text[]) RETURNING key, thumbnail
), doomed AS (
    INSERT INTO doomed_objects (key, reason)
    SELECT key, 'undelivered' FROM gone UNION ALL
    SELECT thumbnail, 'undelivered' FROM gone WHERE thumbnail IS NOT NULL
    ON CONFLICT DO NOTHING
), told AS (
    INSERT INTO removals (generation_id, reason, outputs) SELECT $1, 'undelivered', count(*) FROM gone
    HAVING count(*) > 0 ON CONFLICT DO NOTHING
)
SELECT count(*)::int FROM gone
"""
_FORGET_SPECS = """
WITH ended AS (SELECT generation_id FROM jobs
               WHERE generation_id = ANY($1::uuid[]) AND spec IS NOT NULL AND state NOT IN ('queued', 'running')
               ORDER BY generation_id FOR UPDATE)
UPDATE jobs j SET spec = jsonb_build_object('kind', j.spec -> 'kind') FROM ended e
WHERE j.generation_id = e.generation_id
"""
_NAMED = """
SELECT key FROM artefacts WHERE generation_id = ANY($1::uuid[])
UNION ALL SELECT thumbnail FROM artefacts WHERE generation_id = ANY($1::uuid[]) AND thumbnail IS NOT NULL
"""
_AT_WORK = "SELECT generation_id FROM jobs WHERE generation_id = ANY($1::uuid[]) AND state IN ('queued', 'running')"
# Ids are UUIDv7: their order is that of time, so the oldest are read off the primary key.
_PRUNE = """
WITH old AS (
    SELECT generation_id FROM jobs
    WHERE generation_id < (lpad(to_hex((extract(epoch FROM now() - make_interval(days => $1)) * 1000)::bigint), 12, '0')
                           || repeat('0', 20))::uuid
      AND state IN ('done', 'failed', 'cancelled') AND finished_at < now() - make_interval(days => $1)
    ORDER BY generation_id LIMIT $2 FOR UPDATE SKIP LOCKED
), attempted AS (
    DELETE FROM attempts a USING old WHERE a.generation_id = old.generation_id
), removed AS (
    DELETE FROM removals r USING old WHERE r.generation_id = old.generation_id
), pruned AS (
    DELETE FROM jobs j USING old WHERE j.generation_id = old.generation_id RETURNING 1
)
SELECT count(*) FROM pruned
"""


async def schedule_deletion(pool: Pool, keys: Collection[str], reason: str, *, in_s: float) -> None:
    """Has these objects removed in so many seconds; those that an artefact names stay."""
    generations = [generation_of(key) for key in keys]
    await pool.execute(_DOOM, list(keys), generations, reason, in_s)


async def schedule_input_deletion(connection: Connection, keys: Collection[str]) -> None:
    """Has inputs removed that nothing is made of any more."""
    if keys:
        await connection.execute(_DOOM_INPUTS, sorted(set(keys)))


async def deletable_objects(pool: Pool, limit: int) -> list[str]:
    """Objects whose time has come."""
    return [row["key"] for row in await pool.fetch(_DUE, limit)]


async def forget_objects(pool: Pool, keys: Sequence[str]) -> list[str]:
    """They are gone from the store; answers why, one reason each."""
    return [row["reason"] for row in await pool.fetch(_GONE, list(keys))]


async def retire_results(connection: Connection, ids: Collection[UUID], reason: Reason) -> int:
    """Removes the artefacts of these generations; answers how many there were. Their objects follow soon."""
    return int(await connection.fetchval(_RETIRE, sorted(ids), reason))


async def withdraw_outputs(connection: Connection, id_: UUID, kept: Collection[str]) -> int:
    """Removes the artefacts of a generation but those of these keys, which were delivered; answers how many went."""
    return int(await connection.fetchval(_WITHDRAW, id_, list(kept)))


async def forget_requests(connection: Connection, ids: Collection[UUID]) -> None:
    """Erases the requests of these jobs, except for their kind."""
    await connection.execute(_FORGET_SPECS, sorted(ids))


async def lock_old_results(connection: Connection, *, days: int, limit: int) -> list[UUID]:
    """Generations whose results are older than that (0: however old), or older than their request has them kept."""
    return [row["generation_id"] for row in await connection.fetch(_OLD, days, limit)]


async def keys_with_rows(pool: Pool, ids: Collection[UUID]) -> tuple[set[str], set[UUID]]:
    """The keys that artefacts of these generations name, and those generations that are still at work.

    The second is read first: who ends in between is then found by its rows.
    """
    at_work = {row["generation_id"] for row in await pool.fetch(_AT_WORK, list(ids))}
    return {row["key"] for row in await pool.fetch(_NAMED, list(ids))}, at_work


async def prune_jobs(pool: Pool, *, days: int, limit: int) -> int:
    """Forgets jobs that ended before that, tombstones too, with their attempts. Answers how many."""
    return int(await pool.fetchval(_PRUNE, days, limit))


@asynccontextmanager
async def only_sweeper(pool: Pool) -> AsyncIterator[bool]:
    """Whether this process is the one that sweeps now; it is until the block ends."""
    # The transaction's lock, not the session's: behind a pooler a session is anybody's.
    async with pool.acquire() as connection, connection.transaction():
        yield bool(await connection.fetchval("SELECT pg_try_advisory_xact_lock($1)", SWEEP_LOCK))

"""Leases: they are extended by beats, lost by silence and given back at a stop."""

from collections.abc import Sequence
from uuid import UUID

from atelier_messaging.database import Connection, Pool
from atelier_render.jobs import ATTEMPTS_MAX, Heartbeat, ReleasedJob
from atelier_render.store.queue import COUNT

_BEAT = """
WITH mine AS (SELECT generation_id FROM jobs
              WHERE generation_id = ANY($1::uuid[]) AND state = 'running' AND lease_owner = $2
              ORDER BY generation_id FOR UPDATE)
UPDATE jobs j SET lease_until = now() + make_interval(secs => $3) FROM mine m WHERE j.generation_id = m.generation_id
RETURNING j.generation_id, j.attempt, j.cancel_requested_at IS NOT NULL AS cancelled
"""

_FREE_LOST = f"""
WITH lost AS MATERIALIZED (
    SELECT generation_id, lease_owner AS worker, attempt, cancel_requested_at FROM jobs
    WHERE state = 'running' AND lease_until < now() ORDER BY generation_id LIMIT $1 FOR UPDATE SKIP LOCKED
), verdicts AS (
    SELECT generation_id, worker, CASE WHEN cancel_requested_at IS NOT NULL THEN 'cancelled'
                                       WHEN attempt >= $2 THEN 'failed' ELSE 'queued' END AS state FROM lost
), freed AS (
    UPDATE jobs j SET
        state = v.state, lease_owner = NULL, lease_until = NULL,
        code = CASE v.state WHEN 'cancelled' THEN 'cancelled' WHEN 'failed' THEN 'provider_failed' END,
        reason = CASE v.state WHEN 'cancelled' THEN $3 WHEN 'failed' THEN $4 END,
        finished_at = CASE WHEN v.state <> 'queued' THEN now() END
    FROM verdicts v WHERE j.generation_id = v.generation_id RETURNING j.*, v.worker
), ended AS (
    INSERT INTO attempts (generation_id, attempt, worker, outcome, started_at)
    SELECT generation_id, attempt, worker, 'lease_lost', started_at FROM freed
), moved AS (
    SELECT lane, owner_id, (state = 'queued')::int AS queued, -1 AS running, 0 AS served FROM freed
), {COUNT}
SELECT generation_id, state, code, reason, traceparent FROM freed
"""  # noqa: S608

_GIVE_BACK = f"""
WITH mine AS (
    SELECT generation_id FROM jobs WHERE state = 'running' AND lease_owner = $1 ORDER BY generation_id FOR UPDATE
), freed AS (
    UPDATE jobs j SET state = 'queued', attempt = attempt - 1, lease_owner = NULL, lease_until = NULL, started_at = NULL
    FROM mine m WHERE j.generation_id = m.generation_id RETURNING j.lane, j.owner_id
), moved AS (
    SELECT lane, owner_id, 1 AS queued, -1 AS running, -1 AS served FROM freed
), {COUNT}
SELECT count(*) FROM freed
"""  # noqa: S608


async def extend_leases(connection: Pool, ids: Sequence[UUID], *, owner: str, lease_s: float) -> list[Heartbeat]:
    """Extends the leases that are still ours and answers them; a job that is missing was taken from us."""
    return [Heartbeat(**row) for row in await connection.fetch(_BEAT, list(ids), owner, lease_s)]


async def release_lost_jobs(connection: Connection, limit: int, *, cancelled: str, exhausted: str) -> list[ReleasedJob]:
    """Takes jobs from workers that stopped beating: back into the queue, or to their end after ``ATTEMPTS_MAX``."""
    rows = await connection.fetch(_FREE_LOST, limit, ATTEMPTS_MAX, cancelled, exhausted)
    return [ReleasedJob(row["generation_id"], row["code"], row["reason"], row["traceparent"]) for row in rows]


async def give_back(pool: Pool, owner: str) -> int:
    """Puts all of this worker's jobs back into their queues, as if it had never claimed them."""
    return int(await pool.fetchval(_GIVE_BACK, owner))

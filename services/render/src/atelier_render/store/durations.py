"""Durations of the latest renders by class, and the estimates published for waiting jobs."""

from collections.abc import Mapping, Sequence
from uuid import UUID

import asyncpg

from atelier_messaging.database import Pool

Measured = tuple[str, str, str, float]
"""Provider, kind, class, seconds."""
LATEST_MAX = 200
KEEP_DAYS = 30

_ADD = """
WITH news AS (
    SELECT provider, kind, class, array_agg(seconds) AS seconds
    FROM unnest($1::text[], $2::text[], $3::text[], $4::real[]) AS n(provider, kind, class, seconds)
    GROUP BY provider, kind, class ORDER BY provider, kind, class
)
INSERT INTO durations AS d (provider, kind, class, seconds)
SELECT provider, kind, class, seconds[1:$5] FROM news
ON CONFLICT (provider, kind, class) DO UPDATE
SET seconds = (excluded.seconds || d.seconds)[1:$5], measured_at = now()
"""
_OLD = "DELETE FROM durations WHERE measured_at < now() - make_interval(days => $1)"
_ALL = "SELECT provider, kind, class, seconds FROM durations"

# A tenant's k-th waiting job has its turn at ``served + k``, as the claim has it: ahead of a job are all earlier turns.
_STANDING = """
WITH job AS (
    SELECT j.*, t.served, t.running AS own_running,
           (SELECT count(*) FROM jobs w
            WHERE w.lane = j.lane AND w.owner_id = j.owner_id AND w.state = 'queued'
              AND (w.priority, w.created_at, w.generation_id) < (j.priority, j.created_at, j.generation_id)
           ) AS own_ahead
    FROM jobs j JOIN tenant_queues t USING (lane, owner_id)
    WHERE j.generation_id = $1 AND j.state IN ('queued', 'running')
), others AS (
    SELECT least(t.queued, greatest(0, job.served + job.own_ahead - t.served + (t.owner_id < job.owner_id)::int))
           AS ahead
    FROM job JOIN tenant_queues t ON t.lane = job.lane AND t.queued > 0 AND t.owner_id <> job.owner_id
)
SELECT state, spec, lane, promised_at IS NOT NULL AS promised,
       extract(epoch FROM now() - started_at)::float8 AS running_s,
       own_ahead, own_running, own_ahead + (SELECT coalesce(sum(ahead), 0) FROM others)::bigint AS ahead,
       (SELECT sum(t.running) FROM tenant_queues t WHERE t.lane = job.lane)::bigint AS running
FROM job
"""
_PROMISE = """
UPDATE jobs SET promised_at = now(), promised_p50_s = $2, promised_p90_s = $3
WHERE generation_id = $1 AND state = 'queued' AND promised_at IS NULL
"""


async def add_durations(pool: Pool, measured: Sequence[Measured]) -> None:
    """Adds measurements in front of the older ones; of each provider, kind and class the latest are kept."""
    await pool.execute(_ADD, *map(list, zip(*measured, strict=True)), LATEST_MAX)
    await pool.execute(_OLD, KEEP_DAYS)


async def durations(pool: Pool) -> Mapping[tuple[str, str, str], Sequence[float]]:
    """All that is known."""
    return {(row["provider"], row["kind"], row["class"]): row["seconds"] for row in await pool.fetch(_ALL)}


async def job_queue_state(pool: Pool, generation_id: UUID) -> asyncpg.Record | None:
    """Where a job stands in its lane; None where it neither waits nor runs."""
    return await pool.fetchrow(_STANDING, generation_id)


async def promise(pool: Pool, generation_id: UUID, p50_s: float, p90_s: float) -> None:
    """Stores the first estimate of a waiting job, to be compared with its duration."""
    await pool.execute(_PROMISE, generation_id, p50_s, p90_s)

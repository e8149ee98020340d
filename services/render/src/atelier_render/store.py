"""All SQL of render. Each statement serves a whole batch.

Locks are taken in one order in every transaction: jobs by generation id, then, once and last, tenant queues by owner.
Otherwise handler, claims, beats and endings, which are at work at the same time, would deadlock all day. Time is the
database's alone.
"""

from collections.abc import Collection, Sequence
from typing import Literal
from uuid import UUID

import asyncpg

from atelier_contracts import Owner, RenderSpec
from atelier_messaging.database import Connection, Pool
from atelier_render.jobs import ATTEMPTS_MAX, Beat, Completion, Ending, Failure, Freed, Job, Lane, NewJob

LATE = "the deadline had passed before the render could start"

# The tail of every statement that moves claimed jobs: it lists them as ``moved``, and the tenants' counters follow.
_COUNT = """
sums AS (SELECT lane, owner_id, sum(queued) AS queued, sum(running) AS running, sum(served) AS served
         FROM moved GROUP BY lane, owner_id),
locked AS (SELECT t.lane, t.owner_id, s.queued, s.running, s.served
           FROM tenant_queues t JOIN sums s USING (lane, owner_id) ORDER BY t.lane, t.owner_id FOR UPDATE OF t),
counted AS (UPDATE tenant_queues t
            SET queued = t.queued + l.queued, running = t.running + l.running, served = t.served + l.served
            FROM locked l WHERE t.lane = l.lane AND t.owner_id = l.owner_id)
"""

_ADD = """
INSERT INTO jobs (generation_id, state, lane, owner_kind, owner_id, spec, deadline_at, traceparent)
SELECT generation_id, 'queued', lane, owner_kind, owner_id, spec, deadline_at, traceparent
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::uuid[], $5::jsonb[], $6::timestamptz[], $7::text[])
     AS a(generation_id, lane, owner_kind, owner_id, spec, deadline_at, traceparent)
ORDER BY generation_id ON CONFLICT DO NOTHING RETURNING lane, owner_id
"""

_CANCEL = """
WITH wanted AS (
    SELECT unnest($1::uuid[]) AS generation_id
), found AS MATERIALIZED (
    SELECT j.generation_id, j.state, j.lane, j.owner_id FROM jobs j JOIN wanted USING (generation_id)
    ORDER BY j.generation_id FOR UPDATE OF j
), stopped AS (
    UPDATE jobs j SET state = 'cancelled', code = 'cancelled', reason = $2, finished_at = now()
    FROM found f WHERE j.generation_id = f.generation_id AND f.state = 'queued'
), flagged AS (
    UPDATE jobs j SET cancel_requested_at = now()
    FROM found f WHERE j.generation_id = f.generation_id AND f.state = 'running'
), tombs AS (
    INSERT INTO jobs (generation_id, state, code, reason, finished_at)
    SELECT generation_id, 'cancelled', 'cancelled', $2, now() FROM wanted w
    WHERE NOT EXISTS (SELECT FROM found f WHERE f.generation_id = w.generation_id) ORDER BY generation_id
    ON CONFLICT DO NOTHING RETURNING generation_id
)
SELECT generation_id, state, lane, owner_id FROM found
UNION ALL SELECT generation_id, 'absent', NULL, NULL FROM tombs
"""

# Who becomes active starts at the virtual time of the one whose turn is next: idling saves up no turns and costs none.
_COUNT_QUEUED = """
WITH sums AS (
    SELECT lane, owner_id, sum(change) AS change FROM unnest($1::text[], $2::uuid[], $3::int[])
           AS m(lane, owner_id, change) GROUP BY lane, owner_id
)
INSERT INTO tenant_queues AS t (lane, owner_id, queued, served)
SELECT s.lane, s.owner_id, greatest(s.change, 0), coalesce(
           (SELECT min(served) FROM tenant_queues w WHERE w.lane = s.lane AND w.queued > 0),
           (SELECT max(served) FROM tenant_queues w WHERE w.lane = s.lane), 0)
FROM sums s ORDER BY s.lane, s.owner_id
ON CONFLICT (lane, owner_id) DO UPDATE
SET queued = t.queued + (SELECT change FROM sums s WHERE s.lane = t.lane AND s.owner_id = t.owner_id),
    served = CASE WHEN t.queued = 0 THEN greatest(t.served, excluded.served) ELSE t.served END
"""

# A tenant's k-th waiting job has its turn at ``served + k``; the earliest turns of all are taken. What is read does not
# grow with the backlog: at most $2 tenants, then one index range for each.
_CLAIM = f"""
WITH waiting AS (
    SELECT owner_id, queued, served FROM tenant_queues
    WHERE lane = $1 AND queued > 0 ORDER BY served, owner_id LIMIT $2
), turns AS (
    SELECT owner_id, served + k AS turn FROM waiting, generate_series(0, least(queued, $2) - 1) AS k
    ORDER BY turn, owner_id LIMIT $2
), shares AS (
    SELECT owner_id, count(*) AS jobs FROM turns GROUP BY owner_id
), chosen AS MATERIALIZED (
    SELECT j.generation_id FROM shares s CROSS JOIN LATERAL (
        SELECT generation_id FROM jobs
        WHERE lane = $1 AND owner_id = s.owner_id AND state = 'queued'
        ORDER BY priority, generation_id LIMIT s.jobs FOR UPDATE SKIP LOCKED) j
), started AS (
    UPDATE jobs j SET state = 'running', attempt = attempt + 1, lease_owner = $3,
                      lease_until = now() + make_interval(secs => $4), started_at = now()
    FROM chosen c WHERE j.generation_id = c.generation_id AND j.deadline_at > now() RETURNING j.*
), late AS (
    UPDATE jobs j SET state = 'failed', code = 'provider_timeout', reason = $5, finished_at = now()
    FROM chosen c WHERE j.generation_id = c.generation_id AND j.deadline_at <= now() RETURNING j.*
), taken AS (
    SELECT * FROM started UNION ALL SELECT * FROM late
), moved AS (
    SELECT lane, owner_id, -1 AS queued, 1 AS running, 1 AS served FROM started
    UNION ALL SELECT lane, owner_id, -1, 0, 0 FROM late
), {_COUNT}
SELECT generation_id, attempt, owner_kind, owner_id, spec, lane, traceparent,
       extract(epoch FROM deadline_at - now())::float8 AS left_s
FROM taken ORDER BY generation_id
"""  # noqa: S608

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
), {_COUNT}
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
), {_COUNT}
SELECT count(*) FROM freed
"""  # noqa: S608

_FINISH = f"""
WITH ending AS (
    SELECT * FROM unnest($2::uuid[], $3::int[], $4::text[], $5::text[], $6::int[], $7::text[], $8::text[])
           AS e(generation_id, attempt, state, provider, delivered, code, reason)
), ours AS MATERIALIZED (
    SELECT e.*, j.lease_owner AS worker FROM jobs j JOIN ending e USING (generation_id, attempt)
    WHERE j.state = 'running' AND j.lease_owner = $1 ORDER BY j.generation_id FOR UPDATE OF j
), won AS (
    UPDATE jobs j SET state = o.state, provider = o.provider, delivered = o.delivered, code = o.code,
                      reason = o.reason, lease_owner = NULL, lease_until = NULL, finished_at = now()
    FROM ours o WHERE j.generation_id = o.generation_id RETURNING j.*
), ended AS (
    INSERT INTO attempts (generation_id, attempt, worker, provider, outcome, reason, started_at)
    SELECT generation_id, attempt, $1, provider, state, reason, started_at FROM won
), stored AS (
    INSERT INTO artefacts (key, generation_id, content_type, size, sha256, width, height)
    SELECT a.* FROM unnest($9::text[], $10::uuid[], $11::text[], $12::bigint[], $13::text[], $14::int[], $15::int[])
                    AS a(key, generation_id, content_type, size, sha256, width, height)
    JOIN won USING (generation_id)
), moved AS (
    SELECT lane, owner_id, 0 AS queued, -1 AS running, 0 AS served FROM won
), {_COUNT}
SELECT generation_id FROM won
"""  # noqa: S608

_KEPT = """
SELECT j.state, coalesce(array_agg(a.key) FILTER (WHERE a.key IS NOT NULL), '{}') AS keys
FROM jobs j LEFT JOIN artefacts a USING (generation_id) WHERE j.generation_id = $1 GROUP BY j.state
"""
_DEPTHS = "SELECT coalesce(sum(queued), 0) AS queued, coalesce(sum(running), 0) AS running FROM tenant_queues"


async def change_queues(
    connection: Connection, asked: Sequence[NewJob], cancelled: Collection[UUID], reason: str
) -> set[UUID]:
    """Adds jobs, then cancels jobs; tenants are counted last, as the order of locks wants it.

    A job that is known already, a tombstone too, is not added again. Cancelling ends what is queued, flags what runs
    and leaves a tombstone for what is unknown. Answers which jobs were ended by this.
    """
    changes = [(row["lane"], row["owner_id"], 1) for row in await _add(connection, asked)] if asked else []
    ended, left = set(), sorted(set(cancelled))
    while left:
        # An id neither found nor entombed was added by another transaction meanwhile; the next look sees it.
        found = {row["generation_id"]: row for row in await connection.fetch(_CANCEL, left, reason)}
        changes += [(row["lane"], row["owner_id"], -1) for row in found.values() if row["state"] == "queued"]
        ended |= {id_ for id_, row in found.items() if row["state"] in ("queued", "absent")}
        left = [id_ for id_ in left if id_ not in found]
    if changes:
        await connection.execute(_COUNT_QUEUED, *map(list, zip(*changes, strict=True)))
    return ended


async def _add(connection: Connection, jobs: Sequence[NewJob]) -> list[asyncpg.Record]:
    rows: list[asyncpg.Record] = await connection.fetch(
        _ADD,
        [job.generation_id for job in jobs],
        [job.lane for job in jobs],
        [job.owner.kind for job in jobs],
        [job.owner.id for job in jobs],
        [job.spec.model_dump(mode="json", exclude_defaults=True) for job in jobs],
        [job.deadline_at for job in jobs],
        [job.traceparent for job in jobs],
    )
    return rows


async def claim_jobs(connection: Connection, lane: Lane, limit: int, *, owner: str, lease_s: float) -> list[Job]:
    """Leases up to ``limit`` jobs to ``owner``, taking turns between tenants. Those past their deadline are failed
    instead and are answered with ``left_s`` not above zero."""
    return [_job(row) for row in await connection.fetch(_CLAIM, lane, limit, owner, lease_s, LATE)]


async def extend_leases(connection: Pool, ids: Sequence[UUID], *, owner: str, lease_s: float) -> list[Beat]:
    """Extends the leases that are still ours and answers them; a job that is missing was taken from us."""
    return [Beat(**row) for row in await connection.fetch(_BEAT, list(ids), owner, lease_s)]


async def free_lost_jobs(connection: Connection, limit: int, *, cancelled: str, exhausted: str) -> list[Freed]:
    """Takes jobs from workers that stopped beating: back into the queue, or to their end after ``ATTEMPTS_MAX``."""
    rows = await connection.fetch(_FREE_LOST, limit, ATTEMPTS_MAX, cancelled, exhausted)
    return [Freed(row["generation_id"], row["code"], row["reason"], row["traceparent"]) for row in rows]


async def give_back(pool: Pool, owner: str) -> int:
    """Puts all of this worker's jobs back into their queues, as if it had never claimed them."""
    return int(await pool.fetchval(_GIVE_BACK, owner))


async def finish_jobs(connection: Connection, owner: str, endings: Sequence[Ending]) -> set[UUID]:
    """Ends the attempts that still hold their lease, with their artefacts. Answers which: the others lost."""
    made = [(e, a) for e in endings if isinstance(e, Completion) for a in e.artefacts]
    rows = await connection.fetch(
        _FINISH,
        owner,
        [e.job.generation_id for e in endings],
        [e.job.attempt for e in endings],
        [e.state for e in endings],
        [e.provider for e in endings],
        [e.delivered if isinstance(e, Completion) else 0 for e in endings],
        [e.code if isinstance(e, Failure) else None for e in endings],
        [e.reason if isinstance(e, Failure) else None for e in endings],
        [a.key for _, a in made],
        [e.job.generation_id for e, _ in made],
        [a.content_type for _, a in made],
        [a.size for _, a in made],
        [a.sha256 for _, a in made],
        [a.width for _, a in made],
        [a.height for _, a in made],
    )
    return {row["generation_id"] for row in rows}


async def kept_keys(pool: Pool, generation_id: UUID) -> set[str] | None:
    """The keys of a job's artefacts once it has ended; None while another attempt may still make them."""
    row = await pool.fetchrow(_KEPT, generation_id)
    ended = row is None or row["state"] in ("done", "failed", "cancelled")
    return set(row["keys"] if row else ()) if ended else None


async def depths(pool: Pool) -> dict[Literal["queued", "running"], int]:
    """How many jobs wait and run, over all tenants."""
    row = await pool.fetchrow(_DEPTHS)
    assert row is not None
    return {"queued": row["queued"], "running": row["running"]}


def _job(row: asyncpg.Record) -> Job:
    return Job(
        generation_id=row["generation_id"],
        attempt=row["attempt"],
        owner=Owner(kind=row["owner_kind"], id=row["owner_id"]),
        spec=RenderSpec.model_validate(row["spec"]),
        lane=row["lane"],
        traceparent=row["traceparent"],
        left_s=row["left_s"],
    )

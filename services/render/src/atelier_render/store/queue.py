"""The queue: jobs come, are cancelled and are claimed in turns between tenants."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal
from uuid import UUID

import asyncpg

from atelier_contracts import Owner, RenderSpec
from atelier_contracts.value_objects import Priority
from atelier_messaging import Transaction
from atelier_messaging.database import Connection, Pool
from atelier_render.jobs import Eta, EtaPromise, Job, Lane, NewJob

LATE = "the deadline had passed before the render could start"
_RANKS: Mapping[Priority, int] = {"high": -1, "normal": 0, "low": 1}
_UNCAPPED = 2**31 - 1

# The tail of every statement that moves claimed jobs: it lists them as ``moved``, and the tenants' counters follow.
COUNT = """
sums AS (SELECT lane, owner_id, sum(queued) AS queued, sum(running) AS running, sum(served) AS served
         FROM moved GROUP BY lane, owner_id),
locked AS (SELECT t.lane, t.owner_id, s.queued, s.running, s.served
           FROM tenant_queues t JOIN sums s USING (lane, owner_id) ORDER BY t.lane, t.owner_id FOR UPDATE OF t),
counted AS (UPDATE tenant_queues t
            SET queued = t.queued + l.queued, running = t.running + l.running, served = t.served + l.served
            FROM locked l WHERE t.lane = l.lane AND t.owner_id = l.owner_id)
"""

_ADD = """
INSERT INTO jobs (generation_id, state, lane, priority, owner_kind, owner_id, spec, deadline_at, traceparent)
SELECT generation_id, 'queued', lane, priority, owner_kind, owner_id, spec, deadline_at, traceparent
FROM unnest($1::uuid[], $2::text[], $3::smallint[], $4::text[], $5::uuid[], $6::jsonb[], $7::timestamptz[], $8::text[])
     AS a(generation_id, lane, priority, owner_kind, owner_id, spec, deadline_at, traceparent)
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
_COUNT = """
INSERT INTO tenant_queues AS t (lane, owner_id, queued, served)
SELECT s.lane, s.owner_id, greatest(s.change, 0), coalesce(
           (SELECT min(served) FROM tenant_queues w WHERE w.lane = s.lane AND w.queued > 0),
           (SELECT max(served) FROM tenant_queues w WHERE w.lane = s.lane), 0)
FROM sums s ORDER BY s.lane, s.owner_id
ON CONFLICT (lane, owner_id) DO UPDATE
SET queued = t.queued + (SELECT change FROM sums s WHERE s.lane = t.lane AND s.owner_id = t.owner_id),
    served = CASE WHEN t.queued = 0 THEN greatest(t.served, excluded.served) ELSE t.served END
"""
_COUNT_CHANGES = f"""
WITH sums AS (
    SELECT lane, owner_id, sum(change) AS change FROM unnest($1::text[], $2::uuid[], $3::int[])
           AS m(lane, owner_id, change) GROUP BY lane, owner_id
) {_COUNT}
"""  # noqa: S608
_COUNT_ADDED = f"""
WITH sums AS (SELECT lane, owner_id, count(*)::int AS change FROM added_jobs GROUP BY lane, owner_id) {_COUNT}
"""  # noqa: S608

# A claim that is to keep to a cap has to see what the claims before it started.
_ONE_CLAIM_AT_A_TIME = "SELECT pg_advisory_xact_lock(hashtext('claims of ' || $1))"

# A tenant's k-th waiting job has its turn at ``served + k``; the earliest turns of all are taken. What is read does not
# grow with the backlog: at most $2 tenants, and those at their cap, then one index range for each. Who is kept waiting
# by a cap is moved up to the turns of the others, else it would have saved up turns, and newcomers with it.
# A tenant's jobs go by when they were saved: ids carry the clock of the gateway that made them, and a job whose id lay
# an hour ahead would wait behind all that come in that hour.
# The chosen are joined as an array: how many a LIMIT by variable lets through is a guess to the planner,
# and guessing a tenth of the backlog made it read the whole table.
CLAIM = f"""
WITH waiting AS (
    SELECT owner_id, least(queued, $2, $6 - running) AS room, served FROM tenant_queues
    WHERE lane = $1 AND queued > 0 AND running < $6 ORDER BY served, owner_id LIMIT $2
), turns AS (
    SELECT owner_id, served + k AS turn FROM waiting, generate_series(0, room - 1) AS k
    ORDER BY turn, owner_id LIMIT $2
), capped AS (
    SELECT t.owner_id, l.turn - t.served AS missed FROM tenant_queues t, (SELECT min(turn) AS turn FROM turns) l
    WHERE t.lane = $1 AND t.queued > 0 AND t.running >= $6 AND t.served < l.turn
), shares AS (
    SELECT owner_id, count(*) AS jobs FROM turns GROUP BY owner_id
), chosen AS MATERIALIZED (
    SELECT j.generation_id FROM shares s CROSS JOIN LATERAL (
        SELECT generation_id FROM jobs
        WHERE lane = $1 AND owner_id = s.owner_id AND state = 'queued'
        ORDER BY priority, created_at, generation_id LIMIT s.jobs FOR UPDATE SKIP LOCKED) j
), started AS (
    UPDATE jobs j SET state = 'running', attempt = attempt + 1, lease_owner = $3,
                      lease_until = now() + make_interval(secs => $4), started_at = now()
    WHERE generation_id = ANY(ARRAY(SELECT generation_id FROM chosen)) AND deadline_at > now() RETURNING j.*
), late AS (
    UPDATE jobs j SET state = 'failed', code = 'provider_timeout', reason = $5, finished_at = now()
    WHERE generation_id = ANY(ARRAY(SELECT generation_id FROM chosen)) AND deadline_at <= now() RETURNING j.*
), taken AS (
    SELECT * FROM started UNION ALL SELECT * FROM late
), moved AS (
    SELECT lane, owner_id, -1 AS queued, 1 AS running, 1 AS served FROM started
    UNION ALL SELECT lane, owner_id, -1, 0, 0 FROM late
    UNION ALL SELECT $1, owner_id, 0, 0, missed FROM capped
), {COUNT}
SELECT generation_id, attempt, owner_kind, owner_id, spec, lane, traceparent,
       extract(epoch FROM deadline_at - now())::float8 AS left_s,
       extract(epoch FROM now() - promised_at)::float8 AS promise_age_s, promised_p50_s, promised_p90_s
FROM taken ORDER BY generation_id
"""  # noqa: S608

# By the index, also where the planner knows the table only as it was under load.
_IS_ANY_WAITING = "SELECT min(served) IS NOT NULL FROM tenant_queues WHERE lane = $1 AND queued > 0"

_DEPTHS = "SELECT coalesce(sum(queued), 0) AS queued, coalesce(sum(running), 0) AS running FROM tenant_queues"

# One probe of the index for a tenant and priority: the first of each is its oldest.
_OLDEST_WAITING = """
SELECT coalesce(extract(epoch FROM now() - min(oldest.created_at)), 0)::float8
FROM tenant_queues t CROSS JOIN unnest($1::smallint[]) AS ranks(priority) CROSS JOIN LATERAL (
    SELECT created_at FROM jobs
    WHERE lane = t.lane AND owner_id = t.owner_id AND priority = ranks.priority AND state = 'queued'
    ORDER BY created_at, generation_id LIMIT 1) oldest
WHERE t.queued > 0
"""


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
        await connection.execute(_COUNT_CHANGES, *map(list, zip(*changes, strict=True)))
    return ended


def write_jobs(tx: Transaction, jobs: Sequence[NewJob]) -> None:
    """Adds jobs as ``change_queues`` does, with the writes of the transaction, where nothing is cancelled."""
    tx.write("added_jobs", _ADD, *_columns(jobs))
    tx.write("counted_jobs", _COUNT_ADDED)


async def _add(connection: Connection, jobs: Sequence[NewJob]) -> list[asyncpg.Record]:
    rows: list[asyncpg.Record] = await connection.fetch(_ADD, *_columns(jobs))
    return rows


def _columns(jobs: Sequence[NewJob]) -> list[list[Any]]:
    return [
        [job.generation_id for job in jobs],
        [job.lane for job in jobs],
        [_RANKS[job.spec.priority] for job in jobs],
        [job.owner.kind for job in jobs],
        [job.owner.id for job in jobs],
        [job.spec.model_dump(mode="json", exclude_defaults=True) for job in jobs],
        [job.deadline_at for job in jobs],
        [job.traceparent for job in jobs],
    ]


async def claim_jobs(
    connection: Connection, lane: Lane, limit: int, *, owner: str, lease_s: float, cap: int = 0
) -> list[Job]:
    """Leases up to ``limit`` jobs to ``owner``, taking turns between tenants; no tenant runs more than
    ``cap`` (0: any number). Those past their deadline are failed instead and answered with
    ``remaining_s`` not above zero.
    """
    if cap:
        await connection.execute(_ONE_CLAIM_AT_A_TIME, lane)
    rows = await connection.fetch(CLAIM, lane, limit, owner, lease_s, LATE, cap or _UNCAPPED)
    return [_job(row) for row in rows]


async def is_any_waiting(pool: Pool, lane: Lane) -> bool:
    """Whether a job waits in this lane."""
    return bool(await pool.fetchval(_IS_ANY_WAITING, lane))


async def depths(pool: Pool) -> dict[Literal["queued", "running"], int]:
    """How many jobs wait and run, over all tenants."""
    row = await pool.fetchrow(_DEPTHS)
    assert row is not None
    return {"queued": row["queued"], "running": row["running"]}


async def get_oldest_waiting_s(pool: Pool) -> float:
    """The age of the job that has waited longest, over all tenants, in seconds; 0 where none waits."""
    return float(await pool.fetchval(_OLDEST_WAITING, list(_RANKS.values())))


def _job(row: asyncpg.Record) -> Job:
    return Job(
        generation_id=row["generation_id"],
        attempt=row["attempt"],
        owner=Owner(kind=row["owner_kind"], id=row["owner_id"]),
        spec=RenderSpec.model_validate(row["spec"]),
        lane=row["lane"],
        traceparent=row["traceparent"],
        remaining_s=row["left_s"],
        promise=_promise(row),
    )


def _promise(row: asyncpg.Record) -> EtaPromise | None:
    if row["promise_age_s"] is None:
        return None
    return EtaPromise(row["promise_age_s"], Eta(row["promised_p50_s"], row["promised_p90_s"]))

"""How attempts end, and the artefacts they leave."""

from collections.abc import Sequence
from uuid import UUID

from atelier_messaging.database import Connection, Pool
from atelier_render.jobs import Completion, Ending, Failure
from atelier_render.store.queue import COUNT

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
), {COUNT}
SELECT generation_id FROM won
"""  # noqa: S608

_KEPT = """
SELECT j.state, coalesce(array_agg(a.key) FILTER (WHERE a.key IS NOT NULL), '{}') AS keys
FROM jobs j LEFT JOIN artefacts a USING (generation_id) WHERE j.generation_id = $1 GROUP BY j.state
"""


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

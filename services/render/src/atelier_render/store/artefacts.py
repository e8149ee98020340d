"""How attempts end, and the artefacts they leave."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from uuid import UUID

import asyncpg

from atelier_contracts import Artefact, Owner, RenderCompleted, RenderFailed, RenderStarted
from atelier_messaging.database import Connection, Pool
from atelier_render.jobs import Completion, Failure, JobResult
from atelier_render.store.queue import COUNT

DELETION_S_MAX = 120
"""So long before the end of the time that a request has its outputs kept they are deleted."""

# An ended job keeps of its spec what its events say again; the session and the gateway have the request.
_FINISH = f"""
WITH ending AS (
    SELECT * FROM unnest($2::uuid[], $3::int[], $4::text[], $5::text[], $6::int[], $7::text[], $8::text[])
           AS e(generation_id, attempt, state, provider, delivered, code, reason)
), ours AS MATERIALIZED (
    SELECT e.*, j.lease_owner AS worker FROM jobs j JOIN ending e USING (generation_id, attempt)
    WHERE j.state = 'running' AND j.lease_owner = $1 ORDER BY j.generation_id FOR UPDATE OF j
), won AS (
    UPDATE jobs j SET state = o.state, provider = o.provider, delivered = o.delivered, code = o.code,
                      reason = o.reason, lease_owner = NULL, lease_until = NULL, finished_at = now(),
                      spec = jsonb_strip_nulls(jsonb_build_object('kind', j.spec -> 'kind', 'n', j.spec -> 'n'))
    FROM ours o WHERE j.generation_id = o.generation_id RETURNING j.*
), ended AS (
    INSERT INTO attempts (generation_id, attempt, worker, provider, outcome, reason, started_at)
    SELECT generation_id, attempt, $1, provider, state, reason, started_at FROM won
), moved AS (
    SELECT lane, owner_id, 0 AS queued, -1 AS running, 0 AS served FROM won
), {COUNT}
SELECT generation_id FROM won
"""  # noqa: S608

_RESULTS = """
INSERT INTO results (generation_id, owner_kind, owner_id, provider, fingerprint, model, reused, keep_until)
SELECT generation_id, owner_kind, owner_id, provider, fingerprint, model, reused, now() + make_interval(secs => keep_s)
FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::text[], $5::bytea[], $6::text[], $7::bool[], $8::float8[])
     AS r(generation_id, owner_kind, owner_id, provider, fingerprint, model, reused, keep_s)
"""
# Colours and tags hold no line break.
_ARTEFACTS = """
INSERT INTO artefacts (key, generation_id, content_type, size, sha256, width, height, thumbnail, colours, tags)
SELECT key, generation_id, content_type, size, sha256, width, height, thumbnail,
       string_to_array(colours, chr(10)), string_to_array(tags, chr(10))
FROM unnest($1::text[], $2::uuid[], $3::text[], $4::bigint[], $5::text[], $6::int[], $7::int[], $8::text[],
            $9::text[], $10::text[])
     AS a(key, generation_id, content_type, size, sha256, width, height, thumbnail, colours, tags)
"""
_STANDING = """
SELECT j.generation_id, j.state, j.attempt, j.provider, j.delivered, j.code, j.reason,
       coalesce((j.spec ->> 'n')::int, 1) AS requested, r.model, coalesce(r.reused, false) AS reused
FROM jobs j LEFT JOIN results r USING (generation_id)
WHERE j.generation_id = ANY($1::uuid[]) AND j.state <> 'queued'
  AND NOT EXISTS (SELECT FROM removals g WHERE g.generation_id = j.generation_id)
"""
_OUTPUTS = "SELECT * FROM artefacts WHERE generation_id = ANY($1::uuid[]) ORDER BY key"
_EQUAL = """
SELECT r.provider, r.model, a.* FROM artefacts a JOIN results r USING (generation_id)
WHERE a.generation_id = (SELECT generation_id FROM results
                         WHERE owner_kind = $1 AND owner_id = $2 AND fingerprint = $3
                           AND ($4 = 0 OR created_at > now() - make_interval(days => $4))
                         ORDER BY generation_id DESC LIMIT 1)
ORDER BY a.key
"""


async def tell_again(
    connection: Connection, ids: Collection[UUID]
) -> list[RenderStarted | RenderCompleted | RenderFailed]:
    """The state of these jobs as events; none of those that wait, are unknown or whose results are
    removed."""
    rows = await connection.fetch(_STANDING, sorted(ids))
    done = [row["generation_id"] for row in rows if row["state"] == "done"]
    outputs: dict[UUID, list[Artefact]] = {}
    for row in await connection.fetch(_OUTPUTS, done) if done else ():
        outputs.setdefault(row["generation_id"], []).append(Artefact.model_validate(dict(row)))
    return [_event(row, tuple(outputs.get(row["generation_id"], ()))) for row in rows]


def _event(row: asyncpg.Record, outputs: tuple[Artefact, ...]) -> RenderStarted | RenderCompleted | RenderFailed:
    id_ = row["generation_id"]
    match row["state"]:
        case "running":
            return RenderStarted(generation_id=id_, attempt=row["attempt"])
        case "done":
            return RenderCompleted(
                generation_id=id_,
                outputs=outputs,
                delivered=row["delivered"],
                requested=row["requested"],
                provider=row["provider"],
                model=row["model"],
                reused=row["reused"],
            )
    return RenderFailed(generation_id=id_, code=row["code"], reason=row["reason"], provider=row["provider"])


async def finish_jobs(connection: Connection, owner: str, endings: Sequence[JobResult]) -> set[UUID]:
    """Ends the attempts that still hold their lease, with their artefacts. Answers which: the others lost."""
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
    )
    won = {row["generation_id"] for row in rows}
    await _record(
        connection,
        [e for e in endings if isinstance(e, Completion) and e.artefacts and e.job.generation_id in won],
    )
    return won


async def _record(connection: Connection, results: Sequence[Completion]) -> None:
    if not results:
        return
    await connection.execute(
        _RESULTS,
        [r.job.generation_id for r in results],
        [r.job.owner.kind for r in results],
        [r.job.owner.id for r in results],
        [r.provider for r in results],
        [r.fingerprint if _is_reusable(r) else None for r in results],
        [r.model for r in results],
        [r.reused for r in results],
        [_kept_s(r) for r in results],
    )
    made = [(r, a) for r in results for a in r.artefacts]
    await connection.execute(
        _ARTEFACTS,
        [a.key for _, a in made],
        [r.job.generation_id for r, _ in made],
        [a.content_type for _, a in made],
        [a.size for _, a in made],
        [a.sha256 for _, a in made],
        [a.width for _, a in made],
        [a.height for _, a in made],
        [a.thumbnail for _, a in made],
        ["\n".join(a.colours) for _, a in made],
        ["\n".join(a.tags) for _, a in made],
    )


def _kept_s(result: Completion) -> float | None:
    """Seconds until its outputs go, so long before their time that they are gone by then; None for as long as all are
    kept, or until they are delivered."""
    keep_s = result.job.spec.keep_s
    return max(0, keep_s - DELETION_S_MAX) if keep_s else None


def _is_reusable(result: Completion) -> bool:
    """Whether it may be delivered again: it is whole, and nothing of it may yet be withdrawn."""
    return result.delivered == result.job.spec.n and result.job.spec.keep_for_reuse


@dataclass(frozen=True, slots=True)
class Earlier:
    """A result that may be delivered again: who made it, and its artefacts in order."""

    provider: str
    artefacts: tuple[Artefact, ...]
    model: str | None = None


async def equal_result(pool: Pool, owner: Owner, fingerprint: bytes, *, days_max: int) -> Earlier | None:
    """The newest result of this owner for the same, not older than ``days_max`` days (0: however old)."""
    rows = await pool.fetch(_EQUAL, owner.kind, owner.id, fingerprint, days_max)
    artefacts = tuple(Artefact.model_validate(dict(row)) for row in rows)
    return Earlier(rows[0]["provider"], artefacts, rows[0]["model"]) if rows else None

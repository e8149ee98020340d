"""SQL of reconciliation: its runs, one at a time, and its findings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from uuid_utils.compat import uuid7

from atelier_messaging.database import Connection, Pool
from atelier_session.reconcile.rules import Drift

Scope = Literal["recent", "full", "bytes"]
_START = """
INSERT INTO reconcile_runs (id, scope, position)
SELECT due.id, due.scope, CASE WHEN due.scope = 'recent' THEN
    (lpad(to_hex((extract(epoch FROM least(now() - make_interval(secs => $4), b.begun)) * 1000)::bigint), 12, '0')
     || repeat('0', 20))::uuid ELSE '00000000-0000-0000-0000-000000000000' END
FROM unnest($1::uuid[], $2::text[], $3::float8[]) AS due(id, scope, every_s),
     LATERAL (SELECT max(started_at) AS begun FROM reconcile_runs r WHERE r.scope = due.scope) b
WHERE due.every_s = 0 OR b.begun IS NULL OR b.begun <= now() - make_interval(secs => due.every_s)
ON CONFLICT DO NOTHING RETURNING *
"""
_SELECT = """
SELECT r.*, COALESCE(o.checked, 0) AS objects,
       CASE WHEN o.run_id IS NULL AND r.scope = 'full' THEN '' ELSE o.after END AS objects_after
FROM reconcile_runs r LEFT JOIN reconcile_object_runs o ON o.run_id = r.id
"""
_RUNNING = f"{_SELECT} WHERE r.state = 'running' AND r.scope = $1"
_RUNNING_SCOPES = "SELECT scope FROM reconcile_runs WHERE state = 'running'"
_CLAIM = "SELECT id FROM reconcile_runs WHERE state = 'running' AND scope = $1 FOR UPDATE SKIP LOCKED"
_FIND = f"{_SELECT} WHERE r.id = $1"
_ADVANCE_OBJECTS = """
INSERT INTO reconcile_object_runs AS o (run_id, after, checked) VALUES ($1, $2, $3)
ON CONFLICT (run_id) DO UPDATE SET after = excluded.after, checked = o.checked + excluded.checked
"""
_ADVANCE = """
UPDATE reconcile_runs SET position = $2, checked = checked + $3, in_flight = in_flight + $4, found = found + $5,
       state = CASE WHEN $6 THEN 'ended' ELSE state END, ended_at = CASE WHEN $6 THEN clock_timestamp() END
WHERE id = $1
"""
_OPEN_BETWEEN = """
SELECT id, kind, subject, last_seen_at FROM reconcile_findings
WHERE resolved_at IS NULL AND kind <> 'ledger_violation' AND subject > $1 AND subject <= $2
"""
_OPEN_OF_KIND = """
SELECT id, kind, subject, last_seen_at FROM reconcile_findings WHERE resolved_at IS NULL AND kind = $1
"""
_REPORT = """
INSERT INTO reconcile_findings AS f (id, kind, subject, details)
SELECT * FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::text[])
ON CONFLICT (kind, subject) WHERE resolved_at IS NULL
DO UPDATE SET last_seen_at = now(), details = excluded.details
"""
_RESOLVE = """
UPDATE reconcile_findings SET resolved_at = now(), resolved_by = COALESCE(repair, 'in order again')
WHERE id = ANY($1::uuid[]) AND resolved_at IS NULL
"""
_LIST = """
SELECT * FROM reconcile_findings
WHERE ($1::uuid IS NULL OR id < $1) AND ($2::bool OR resolved_at IS NULL) ORDER BY id DESC LIMIT $3
"""
_COUNT = "SELECT kind, count(*) AS findings FROM reconcile_findings WHERE resolved_at IS NULL GROUP BY kind"
_LOCK_UNREPAIRED = """
SELECT * FROM reconcile_findings
WHERE resolved_at IS NULL AND kind = ANY($1::text[]) AND (repaired_at IS NULL OR repaired_at < now() - interval '1 min')
AND last_seen_at > now() - interval '10 min' AND id > $3
ORDER BY id LIMIT $2 FOR UPDATE SKIP LOCKED
"""
_NOTE_REPAIR = "UPDATE reconcile_findings SET repair = $2, repaired_at = now() WHERE id = $1"
_ENTOMB = """
INSERT INTO admissions (generation_id, verdict) VALUES ($1, 'withdrawn')
ON CONFLICT (generation_id) DO UPDATE SET verdict = 'withdrawn'
WHERE NOT EXISTS (SELECT FROM sagas s WHERE s.generation_id = admissions.generation_id)
"""
_PRUNE = "DELETE FROM reconcile_runs WHERE state = 'ended' AND ended_at < now() - interval '30 days'"


@dataclass(frozen=True, slots=True)
class Run:
    """A pass over the generations: ``position`` is the last one that was compared."""

    id: UUID
    scope: Scope
    state: Literal["running", "ended"]
    position: UUID
    checked: int
    in_flight: int
    """Generations left for the next run, because their records were changing."""
    found: int
    started_at: datetime
    ended_at: datetime | None
    objects: int = 0
    """Artefacts compared with the listing of the object store."""
    objects_after: str | None = None
    """The key of the last one, "" before the first; None once all are compared, and where the scope has none."""


@dataclass(frozen=True, slots=True)
class OpenFinding:
    """A finding that is not resolved."""

    id: UUID
    kind: str
    subject: UUID
    last_seen_at: datetime


@dataclass(frozen=True, slots=True)
class Finding(OpenFinding):
    """A disagreement on record. ``subject`` is the generation, or what a line of ``ledger verify`` names."""

    details: str
    first_seen_at: datetime
    repair: str | None
    repaired_at: datetime | None
    resolved_at: datetime | None
    resolved_by: str | None


async def start_run(pool: Pool, scope: Scope, *, recent_s: float, every_s: float = 0.0) -> Run | None:
    """Starts a run unless one of this scope is running, or has begun less than ``every_s`` seconds ago."""
    runs = await start_runs(pool, {scope: every_s}, recent_s=recent_s)
    return runs[0] if runs else None


async def start_runs(pool: Pool, every_s: Mapping[Scope, float], *, recent_s: float) -> list[Run]:
    """Starts a run of each scope, unless one is running, or has begun less than these seconds ago."""
    ids = [uuid7() for _ in every_s]
    rows = await pool.fetch(_START, ids, list(every_s), list(every_s.values()), recent_s)
    if rows:
        await pool.execute(_PRUNE)
    return [Run(**dict(row)) for row in rows]


async def list_running(pool: Pool) -> list[Scope]:
    """The scopes of which a run is running."""
    return [row["scope"] for row in await pool.fetch(_RUNNING_SCOPES)]


async def find_run(pool: Pool, id_: UUID) -> Run | None:
    """The run with this id."""
    row = await pool.fetchrow(_FIND, id_)
    return Run(**dict(row)) if row else None


async def find_running(pool: Pool, scope: Scope) -> Run | None:
    """The run of this scope that is running."""
    row = await pool.fetchrow(_RUNNING, scope)
    return Run(**dict(row)) if row else None


async def claim_run(connection: Connection, scope: Scope) -> Run | None:
    """Locks the running run of this scope; None where there is none or another process works on it."""
    id_ = await connection.fetchval(_CLAIM, scope)
    row = await connection.fetchrow(_FIND, id_) if id_ else None
    return Run(**dict(row)) if row else None


async def advance_run(
    connection: Connection, run: Run, position: UUID, *, checked: int, in_flight: int, found: int, ended: bool
) -> None:
    """Moves the run on by a page."""
    await connection.execute(_ADVANCE, run.id, position, checked, in_flight, found, ended)


async def advance_objects(connection: Connection, run: Run, after: str | None, *, checked: int) -> None:
    """Moves the run on to the key ``after`` of the object store; None: all are compared."""
    await connection.execute(_ADVANCE_OBJECTS, run.id, after, checked)


async def open_findings(connection: Connection, *, after: UUID, bound: UUID) -> list[OpenFinding]:
    """The open findings about generations past ``after``, up to and including ``bound``."""
    return [OpenFinding(**dict(row)) for row in await connection.fetch(_OPEN_BETWEEN, after, bound)]


async def open_findings_of(connection: Connection, kind: str) -> list[OpenFinding]:
    """The open findings of one kind."""
    return [OpenFinding(**dict(row)) for row in await connection.fetch(_OPEN_OF_KIND, kind)]


async def report(connection: Connection, found: Sequence[tuple[UUID, Drift]]) -> None:
    """Writes findings, one of each kind for a subject; one that is open already is seen again."""
    details: dict[tuple[UUID, str], list[str]] = {}
    for subject, drift in found:
        details.setdefault((subject, drift.kind.value), []).append(drift.details)
    if details:
        subjects, kinds = zip(*details, strict=True)
        says = ["; ".join(lines) for lines in details.values()]
        await connection.execute(_REPORT, [uuid7() for _ in says], list(kinds), list(subjects), says)


async def resolve(connection: Connection, ids: Sequence[UUID]) -> None:
    """Ends findings whose records agree again."""
    if ids:
        await connection.execute(_RESOLVE, list(ids))


async def list_findings(pool: Pool, *, before: UUID | None, resolved: bool, limit: int) -> list[Finding]:
    """Findings, the newest first; ``resolved``: also those that are over."""
    return [Finding(**dict(row)) for row in await pool.fetch(_LIST, before, resolved, limit)]


async def count_findings(pool: Pool) -> Mapping[str, int]:
    """How many are open, by kind; kinds without any are left out."""
    return {row["kind"]: row["findings"] for row in await pool.fetch(_COUNT)}


async def lock_unrepaired(connection: Connection, kinds: Sequence[str], *, after: UUID, limit: int) -> list[Finding]:
    """Locks open findings of these kinds past ``after`` for which no repair was sent in the last minute.

    Only those that a run saw in the last ten minutes: an older one may be in order again, after a restore for instance,
    and its repair would then pay back what was delivered.
    """
    return [Finding(**dict(row)) for row in await connection.fetch(_LOCK_UNREPAIRED, list(kinds), limit, after)]


async def note_repair(connection: Connection, id_: UUID, repair: str) -> None:
    """Writes which command was sent for a finding, and why."""
    await connection.execute(_NOTE_REPAIR, id_, repair)


async def entomb(connection: Connection, id_: UUID) -> None:
    """Withdraws an id without a saga, so that what is answered about it has no effect."""
    await connection.execute(_ENTOMB, id_)


def as_json(value: Run | Finding) -> dict[str, Any]:
    """The fields, as the internal API shows them."""
    return {name: getattr(value, name) for name in value.__dataclass_fields__}

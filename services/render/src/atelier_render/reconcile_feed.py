"""What render has on record of each generation, for the comparison with the other services' records: its job, its
artefacts, and whether their objects are in the store as recorded. Page by page, in the order of generation ids."""

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, HTTPException, Query
from pydantic import SecretStr

from atelier_messaging.database import Pool
from atelier_render.cost_table import CostTable
from atelier_render.reconcile_usage import add_usage
from atelier_storage.errors import ObjectCorrupt, ObjectMissing, StorageUnavailable
from atelier_storage.objects import PUT_BYTES_MAX, ObjectStore
from atelier_telemetry.operations import require_token

ROWS_MAX = 5_000
READS_MAX = 8
"""Objects that are read at once."""
BEGINNING = UUID(int=0)
Objects = Literal["none", "sizes", "bytes"]
# A job's row may be gone while its artefacts are kept, so ids come from all three tables.
_JOBS = """
WITH ids AS (
    (SELECT generation_id FROM jobs WHERE generation_id > $1 ORDER BY 1 LIMIT $2)
    UNION (SELECT generation_id FROM results WHERE generation_id > $1 ORDER BY 1 LIMIT $2)
    UNION (SELECT generation_id FROM submissions WHERE generation_id > $1 ORDER BY 1 LIMIT $2)
    ORDER BY 1 LIMIT $2
)
SELECT i.generation_id, j.state, j.deadline_at, COALESCE(j.delivered, 0) AS delivered,
       greatest(j.finished_at, j.started_at, j.created_at, r.created_at, s.latest, m.latest) AS changed_at,
       COALESCE(a.artefacts, 0) AS artefacts, COALESCE(s.submissions, 0) AS submissions,
       COALESCE(m.of_whole, false) AS is_removed, j.generation_id IS NOT NULL AND j.owner_id IS NULL AS is_tombstone
FROM ids i
LEFT JOIN jobs j USING (generation_id)
LEFT JOIN results r USING (generation_id)
LEFT JOIN LATERAL (SELECT count(*) AS artefacts FROM artefacts WHERE generation_id = i.generation_id) a ON true
LEFT JOIN LATERAL (SELECT count(*) FILTER (WHERE outcome IS DISTINCT FROM 'not_sent') AS submissions,
                          max(COALESCE(ended_at, sent_at)) AS latest
                   FROM submissions WHERE generation_id = i.generation_id) s ON true
LEFT JOIN LATERAL (SELECT max(removed_at) AS latest, bool_or(reason <> 'undelivered') AS of_whole
                   FROM removals WHERE generation_id = i.generation_id) m ON true
ORDER BY i.generation_id
"""
_ARTEFACTS = "SELECT key, generation_id, size, sha256 FROM artefacts WHERE generation_id = ANY($1::uuid[])"
_STILL_NAMED = "SELECT key FROM artefacts WHERE key = ANY($1::text[])"


@dataclass(frozen=True, slots=True)
class Artefact:
    """A row of ``artefacts``: ``size`` in bytes, ``sha256`` in hex."""

    key: str
    generation_id: UUID
    size: int
    sha256: str


def reconcile_router(
    pool: Pool, token: SecretStr, objects: ObjectStore, costs: CostTable | None, *, jobs_keep_days: int
) -> APIRouter:
    """The route under ``/internal/reconcile``, for holders of the service token."""
    router = APIRouter(prefix="/internal/reconcile", dependencies=require_token(token), include_in_schema=False)

    @router.get("/jobs")
    async def jobs(
        limit: Annotated[int, Query(ge=1, le=ROWS_MAX)],
        after: UUID = BEGINNING,
        objects_read: Annotated[Objects, Query(alias="objects")] = "none",
    ) -> dict[str, Any]:
        """Jobs past ``after`` in the order of their ids, with the usage of their submissions, and with what is wrong
        with their objects: ``sizes`` asks the store for each object's size, ``bytes`` reads it whole. 503 while the
        store is unavailable."""
        rows = [dict(row) for row in await pool.fetch(_JOBS, after, limit)]
        await add_usage(pool, rows, costs)
        if objects_read != "none":
            try:
                await _add_objects(pool, objects, rows, read_bytes=objects_read == "bytes")
            except StorageUnavailable as error:
                raise HTTPException(503, f"the object store is unavailable: {error}") from error
        return {"jobs": rows, "jobs_keep_days": jobs_keep_days}

    return router


async def _add_objects(pool: Pool, objects: ObjectStore, rows: Sequence[dict[str, Any]], *, read_bytes: bool) -> None:
    """Adds ``missing`` and ``altered`` keys to the rows of jobs whose objects are not as recorded."""
    ids = [row["generation_id"] for row in rows if row["artefacts"]]
    artefacts = [Artefact(**dict(row)) for row in await pool.fetch(_ARTEFACTS, ids)] if ids else []
    slots = asyncio.Semaphore(READS_MAX)

    async def look(artefact: Artefact) -> tuple[Artefact, str | None]:
        async with slots:
            return artefact, await _look(objects, artefact, read_bytes=read_bytes)

    wrong = [(artefact, what) for artefact, what in await asyncio.gather(*map(look, artefacts)) if what is not None]
    if not wrong:
        return
    # Removed in the meantime: its row went first.
    named = {row["key"] for row in await pool.fetch(_STILL_NAMED, [artefact.key for artefact, _ in wrong])}
    by_id = {row["generation_id"]: row for row in rows}
    for artefact, what in wrong:
        if artefact.key in named:
            by_id[artefact.generation_id].setdefault(what, []).append(artefact.key)


async def _look(objects: ObjectStore, artefact: Artefact, *, read_bytes: bool) -> Literal["missing", "altered"] | None:
    """What is wrong with the object of an artefact; None where it is as recorded."""
    try:
        if read_bytes:
            data = await objects.get(artefact.key, PUT_BYTES_MAX)
            is_right = hashlib.sha256(data).hexdigest() == artefact.sha256
        else:
            info = await objects.stat(artefact.key)
            is_right = info.size == artefact.size and info.sha256 in (artefact.sha256, None)
    except ObjectMissing:
        return "missing"
    except ObjectCorrupt:
        return "altered"
    return None if is_right else "altered"

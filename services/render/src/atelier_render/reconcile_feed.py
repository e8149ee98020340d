"""What render has on record of each generation, for the comparison with the other services' records: its job, its
artefacts, and whether their objects are in the store as recorded. Page by page, in the order of generation ids."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, HTTPException, Query
from pydantic import SecretStr

from atelier_messaging.database import Pool
from atelier_render.cost_table import CostTable
from atelier_render.object_faults import Artefact, Check, check_bytes, check_head, find_faults
from atelier_render.reconcile_objects import compare_objects
from atelier_render.reconcile_usage import add_usage
from atelier_storage.errors import StorageUnavailable
from atelier_storage.objects import ObjectStore
from atelier_telemetry.operations import require_token

ROWS_MAX = 5_000
BEGINNING = UUID(int=0)
Objects = Literal["none", "sizes", "bytes"]
CHECKS: Mapping[str, Check] = {"sizes": check_head, "bytes": check_bytes}
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
_ARTEFACTS = """
SELECT key, generation_id, size, sha256, created_at FROM artefacts WHERE generation_id = ANY($1::uuid[])
"""


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
                await _add_faults(pool, objects, rows, CHECKS[objects_read])
            except StorageUnavailable as error:
                raise HTTPException(503, f"the object store is unavailable: {error}") from error
        return {"jobs": rows, "jobs_keep_days": jobs_keep_days}

    @router.get("/objects")
    async def list_wrong_objects(limit: Annotated[int, Query(ge=1, le=ROWS_MAX)], after: str = "") -> dict[str, Any]:
        """Generations whose artefacts past the key ``after`` are not in the store as recorded, by what a listing says
        of ``limit`` of them. 503 while the store is unavailable."""
        try:
            return asdict(await compare_objects(pool, objects, after=after, limit=limit))
        except StorageUnavailable as error:
            raise HTTPException(503, f"the object store is unavailable: {error}") from error

    return router


async def _add_faults(pool: Pool, objects: ObjectStore, rows: Sequence[dict[str, Any]], check: Check) -> None:
    """Adds ``missing`` and ``altered`` keys to the rows of jobs whose objects are not as recorded."""
    ids = [row["generation_id"] for row in rows if row["artefacts"]]
    artefacts = [Artefact(**dict(row)) for row in await pool.fetch(_ARTEFACTS, ids)] if ids else []
    by_id = {row["generation_id"]: row for row in rows}
    for artefact, fault in await find_faults(pool, objects, artefacts, check):
        by_id[artefact.generation_id].setdefault(fault, []).append(artefact.key)

"""What render answers its colleagues over internal HTTP: the story of one job, its place, and what may be asked."""

from collections.abc import Mapping, Sequence
from math import ceil
from typing import Any
from uuid import UUID

from fastapi import APIRouter, HTTPException
from pydantic import SecretStr

from atelier_messaging.database import Pool
from atelier_render.providers.protocol import Provider
from atelier_render.providers.registry import offers_of
from atelier_telemetry.operations import guarded

_JOB = """
SELECT generation_id, state, lane, priority, owner_kind, owner_id, attempt, lease_owner AS worker, provider, delivered,
       code, reason, deadline_at, cancel_requested_at, created_at, started_at, finished_at
FROM jobs WHERE generation_id = $1
"""
_ATTEMPTS = """
SELECT attempt, worker, provider, outcome, reason, started_at, ended_at FROM attempts WHERE generation_id = $1
UNION ALL
SELECT attempt, lease_owner, NULL, 'running', NULL, started_at, NULL FROM jobs
WHERE generation_id = $1 AND state = 'running'
ORDER BY attempt
"""
_ARTEFACTS = """
SELECT key, content_type, size, sha256, width, height, thumbnail, created_at
FROM artefacts WHERE generation_id = $1 ORDER BY key
"""
_REMOVALS = "SELECT reason, outputs, removed_at FROM removals WHERE generation_id = $1 ORDER BY removed_at"

# A tenant's k-th waiting job has its turn at ``served + k``, as the claim has it: ahead of a job are all earlier turns.
_PLACE = """
WITH job AS (
    SELECT j.*, t.served, (SELECT count(*) FROM jobs w
                           WHERE w.lane = j.lane AND w.owner_id = j.owner_id AND w.state = 'queued'
                             AND (w.priority, w.generation_id) < (j.priority, j.generation_id)) AS own_ahead
    FROM jobs j JOIN tenant_queues t USING (lane, owner_id)
    WHERE j.generation_id = $1 AND j.state IN ('queued', 'running')
), others AS (
    SELECT least(t.queued, greatest(0, job.served + job.own_ahead - t.served + (t.owner_id < job.owner_id)::int))
           AS ahead
    FROM job JOIN tenant_queues t ON t.lane = job.lane AND t.queued > 0 AND t.owner_id <> job.owner_id
), latest AS (
    SELECT state, lane, spec, started_at, finished_at FROM jobs ORDER BY generation_id DESC LIMIT $2
)
SELECT job.state, extract(epoch FROM now() - job.started_at)::float8 AS running_s,
       job.own_ahead + (SELECT coalesce(sum(ahead), 0) FROM others)::bigint AS ahead,
       (SELECT greatest(1, sum(t.running)) FROM tenant_queues t WHERE t.lane = job.lane)::bigint AS slots,
       (SELECT avg(extract(epoch FROM d.finished_at - d.started_at)) FROM latest d
        WHERE d.state = 'done' AND d.lane = job.lane AND d.spec ->> 'kind' = job.spec ->> 'kind')::float8 AS usual_s
FROM job
"""
MEASURED_MAX = 200
"""From how many of the latest jobs the usual duration is taken."""


def reads_router(pool: Pool, token: SecretStr, providers: Sequence[Provider]) -> APIRouter:
    """Routes under ``/internal``, for holders of the service token."""
    router = APIRouter(prefix="/internal", dependencies=guarded(token), include_in_schema=False)

    @router.get("/jobs/{generation_id}")
    async def job(generation_id: UUID) -> dict[str, Any]:
        """The job, its attempts in order, the one under way included, its artefacts, and how they went."""
        row = await pool.fetchrow(_JOB, generation_id)
        if row is None:
            raise HTTPException(404, "render knows no job for this generation")
        story = dict(row)
        kind, id_ = story.pop("owner_kind"), story.pop("owner_id")
        return story | {
            "owner": {"kind": kind, "id": id_} if id_ else None,
            "attempts": [dict(attempt) for attempt in await pool.fetch(_ATTEMPTS, generation_id)],
            "artefacts": [dict(artefact) for artefact in await pool.fetch(_ARTEFACTS, generation_id)],
            "removals": [dict(removal) for removal in await pool.fetch(_REMOVALS, generation_id)],
        }

    @router.get("/queue/{generation_id}")
    async def place(generation_id: UUID) -> dict[str, int | None]:
        """``position`` (1: next) while it waits, ``eta_s`` where the like of it has been measured."""
        row = await pool.fetchrow(_PLACE, generation_id, MEASURED_MAX)
        if row is None:
            raise HTTPException(404, "render has no such job that waits or runs")
        return place_of(row)

    @router.get("/offers")
    async def offers() -> dict[str, Any]:
        """Who is configured, in order of preference, and what may be asked of each."""
        return offers_of(providers)

    return router


def place_of(row: Mapping[str, Any]) -> dict[str, int | None]:
    """What runs has no position. What waits is done after the rounds before it, ``slots`` jobs each, and its own."""
    usual_s = row["usual_s"]
    if row["state"] == "running":
        return {"position": None, "eta_s": None if usual_s is None else ceil(max(0.0, usual_s - row["running_s"]))}
    position = row["ahead"] + 1
    return {"position": position, "eta_s": None if usual_s is None else ceil(usual_s * ceil(position / row["slots"]))}

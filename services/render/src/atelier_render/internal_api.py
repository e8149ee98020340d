"""Internal HTTP API for the other services: the history of one job, its queue position, and the providers' offers."""

from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Body, HTTPException
from pydantic import SecretStr

from atelier_messaging.database import Pool
from atelier_render.eta.queue_position import Place, QueuePositions
from atelier_render.providers.protocol import Provider
from atelier_render.providers.selection import offers_of
from atelier_telemetry.operations import require_token

IDS_MAX = 1_000
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
_SUBMISSIONS = """
SELECT attempt, provider, key, state, outcome, reason, sent_at, lost_at, ended_at, model, usage, cost_micros,
       exposure_micros, currency, cost_version,
       row_number() OVER (PARTITION BY provider ORDER BY sent_at, id) AS try
FROM submissions WHERE generation_id = $1 ORDER BY sent_at, id
"""
_ARTEFACTS = """
SELECT key, content_type, size, sha256, width, height, thumbnail, created_at
FROM artefacts WHERE generation_id = $1 ORDER BY key
"""
_KEPT = """
SELECT i.id, j.state, COALESCE(array_agg(a.key) FILTER (WHERE a.key IS NOT NULL), '{}') AS outputs
FROM unnest($1::uuid[]) AS i(id) LEFT JOIN jobs j ON j.generation_id = i.id
     LEFT JOIN artefacts a ON a.generation_id = i.id
WHERE j.generation_id IS NOT NULL OR a.key IS NOT NULL GROUP BY i.id, j.state
"""
_REMOVALS = "SELECT reason, outputs, removed_at FROM removals WHERE generation_id = $1 ORDER BY removed_at"


def internal_router(pool: Pool, token: SecretStr, providers: Sequence[Provider]) -> APIRouter:
    """Routes under ``/internal``, for holders of the service token."""
    router = APIRouter(prefix="/internal", dependencies=require_token(token), include_in_schema=False)

    @router.get("/jobs/{generation_id}")
    async def job(generation_id: UUID) -> dict[str, Any]:
        """The job, its attempts in order, the one under way included, what was sent to remote providers for it and
        their outcomes, its artefacts, and how those were removed."""
        row = await pool.fetchrow(_JOB, generation_id)
        if row is None:
            raise HTTPException(404, "render knows no job for this generation")
        story = dict(row)
        kind, id_ = story.pop("owner_kind"), story.pop("owner_id")
        return story | {
            "owner": {"kind": kind, "id": id_} if id_ else None,
            "attempts": [dict(attempt) for attempt in await pool.fetch(_ATTEMPTS, generation_id)],
            "submissions": [dict(submission) for submission in await pool.fetch(_SUBMISSIONS, generation_id)],
            "artefacts": [dict(artefact) for artefact in await pool.fetch(_ARTEFACTS, generation_id)],
            "removals": [dict(removal) for removal in await pool.fetch(_REMOVALS, generation_id)],
        }

    @router.post("/outputs")
    async def outputs(
        asked: Annotated[list[UUID], Body(embed=True, alias="ids", max_length=IDS_MAX)],
    ) -> dict[str, Any]:
        """Of each generation that has any, the state of its job and the keys of the outputs that are kept."""
        return {"generations": [dict(row) for row in await pool.fetch(_KEPT, asked)]}

    @router.get("/offers")
    async def offers() -> dict[str, Any]:
        """The configured providers in order of preference, and the offers of each."""
        return offers_of(providers)

    return router


def queue_positions_router(places: QueuePositions, token: SecretStr) -> APIRouter:
    """The route under ``/internal`` for the queue position and the estimate."""
    router = APIRouter(prefix="/internal", dependencies=require_token(token), include_in_schema=False)

    @router.get("/queue/{generation_id}")
    async def place(generation_id: UUID) -> Place:
        """Its place and how long it will take; what is not known is null."""
        found = await places.find(generation_id)
        if found is None:
            raise HTTPException(404, "render has no such job that waits or runs")
        return found

    return router

"""What render answers its colleagues over internal HTTP: the story of one job."""

from typing import Any
from uuid import UUID

from fastapi import APIRouter, HTTPException
from pydantic import SecretStr

from atelier_messaging.database import Pool
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
SELECT key, content_type, size, sha256, width, height, created_at FROM artefacts WHERE generation_id = $1 ORDER BY key
"""


def reads_router(pool: Pool, token: SecretStr) -> APIRouter:
    """Routes under ``/internal``, for holders of the service token."""
    router = APIRouter(prefix="/internal", dependencies=guarded(token), include_in_schema=False)

    @router.get("/jobs/{generation_id}")
    async def job(generation_id: UUID) -> dict[str, Any]:
        """The job, its attempts in order, the one under way included, and its artefacts."""
        row = await pool.fetchrow(_JOB, generation_id)
        if row is None:
            raise HTTPException(404, "render knows no job for this generation")
        story = dict(row)
        kind, id_ = story.pop("owner_kind"), story.pop("owner_id")
        return story | {
            "owner": {"kind": kind, "id": id_} if id_ else None,
            "attempts": [dict(attempt) for attempt in await pool.fetch(_ATTEMPTS, generation_id)],
            "artefacts": [dict(artefact) for artefact in await pool.fetch(_ARTEFACTS, generation_id)],
        }

    return router

"""Internal HTTP API of reconciliation: start a run, follow it, list findings, repair them."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, HTTPException, Query
from pydantic import SecretStr

from atelier_messaging.database import Pool
from atelier_session.reconcile import store
from atelier_session.reconcile.reconciler import Reconciler
from atelier_session.reconcile.store import Scope, as_json
from atelier_telemetry.operations import require_token

FINDINGS_MAX = 200


def reconcile_router(pool: Pool, token: SecretStr, reconciler: Reconciler) -> APIRouter:
    """Routes under ``/internal/reconcile``, for holders of the service token."""
    router = APIRouter(prefix="/internal/reconcile", dependencies=require_token(token), include_in_schema=False)

    @router.post("/runs", status_code=202)
    async def start_run(scope: Scope = "full") -> dict[str, Any]:
        """Starts a run; returns the one that is running where there is one."""
        return as_json(await reconciler.start(scope))

    @router.get("/runs/{id}")
    async def run(id: UUID) -> dict[str, Any]:
        found = await store.find_run(pool, id)
        if found is None:
            raise HTTPException(404, "the session has no run with this id")
        return as_json(found)

    @router.get("/findings")
    async def findings(
        limit: Annotated[int, Query(ge=1, le=FINDINGS_MAX)], before: UUID | None = None, resolved: bool = False
    ) -> dict[str, Any]:
        """Findings, the newest first; ``resolved``: also those that are over."""
        found = await store.list_findings(pool, before=before, resolved=resolved, limit=limit)
        return {"findings": [as_json(finding) for finding in found]}

    @router.post("/repairs")
    async def repair() -> dict[str, list[str]]:
        """Sends the command that repairs each open finding that has one."""
        return {"sent": await reconciler.repair()}

    return router

"""What clients are shown of each generation, for the comparison with the services' records: page by page, in the order
of ids. On the operations listener, for holders of the service token."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import SecretStr

from atelier_messaging.database import Pool
from atelier_telemetry.operations import require_token

ROWS_MAX = 5_000
BEGINNING = UUID(int=0)
_PROJECTIONS = """
SELECT id AS generation_id, state, updated_at AS changed_at, credits_captured AS captured
FROM generations WHERE id > $1 ORDER BY id LIMIT $2
"""


def reconcile_router(pool: Pool, token: SecretStr) -> APIRouter:
    """The route under ``/internal/reconcile``."""
    router = APIRouter(prefix="/internal/reconcile", dependencies=require_token(token), include_in_schema=False)

    @router.get("/projections")
    async def projections(limit: Annotated[int, Query(ge=1, le=ROWS_MAX)], after: UUID = BEGINNING) -> dict[str, Any]:
        """Generations past ``after`` in the order of their ids, as their owners are shown them."""
        return {"projections": [dict(row) for row in await pool.fetch(_PROJECTIONS, after, limit)]}

    return router

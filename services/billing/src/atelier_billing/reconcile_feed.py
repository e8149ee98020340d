"""What billing has on record of each generation, for the comparison with the other services' records: page by page, in
the order of generation ids, without a lock."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import SecretStr

from atelier_messaging.database import Pool
from atelier_telemetry.operations import require_token

ROWS_MAX = 5_000
BEGINNING = UUID(int=0)
# Returns are left out of the count of kinds: a charge may be returned in several parts.
_HOLDS = """
WITH page AS (
    SELECT * FROM holds WHERE generation_id > $1 ORDER BY generation_id LIMIT $2
), lots AS (
    SELECT generation_id, grant_id,
           COALESCE(sum(credits) FILTER (WHERE kind = 'reserve'), 0) AS reserved,
           COALESCE(sum(credits) FILTER (WHERE kind = 'capture'), 0) AS captured,
           COALESCE(sum(credits) FILTER (WHERE kind = 'refund'), 0) AS refunded,
           COALESCE(sum(credits) FILTER (WHERE kind = 'return'), 0) AS returned,
           count(*) FILTER (WHERE kind <> 'return') AS postings,
           count(DISTINCT kind) FILTER (WHERE kind <> 'return') AS kinds
    FROM postings
    WHERE generation_id > $1 AND generation_id <= (SELECT max(generation_id::text)::uuid FROM page)
    GROUP BY 1, 2
), posted AS (
    SELECT generation_id, sum(reserved) AS reserved, sum(captured) AS captured, sum(refunded) AS refunded,
           sum(returned) AS returned, bool_or(postings > kinds) AS is_duplicated,
           bool_or(reserved = 0) AS is_unfounded, bool_or(captured + refunded = 0) AS is_unsettled
    FROM lots GROUP BY 1
)
SELECT h.generation_id, h.state, COALESCE(h.settled_at, h.created_at) AS changed_at,
       h.unit_credits * h.units AS credits, h.captured, h.refunded,
       COALESCE(p.reserved, 0)::bigint AS posted_reserved, COALESCE(p.captured, 0)::bigint AS posted_captured,
       COALESCE(p.refunded, 0)::bigint AS posted_refunded, COALESCE(p.returned, 0)::bigint AS returned,
       COALESCE(p.is_duplicated, false) AS is_duplicated,
       COALESCE(p.is_unfounded OR (h.state <> 'open' AND p.is_unsettled), false) AS is_torn,
       h.owner_id IS NULL AS is_tombstone
FROM page h LEFT JOIN posted p USING (generation_id) ORDER BY h.generation_id
"""


def reconcile_router(pool: Pool, token: SecretStr) -> APIRouter:
    """The route under ``/internal/reconcile``, for holders of the service token."""
    router = APIRouter(prefix="/internal/reconcile", dependencies=require_token(token), include_in_schema=False)

    @router.get("/holds")
    async def holds(limit: Annotated[int, Query(ge=1, le=ROWS_MAX)], after: UUID = BEGINNING) -> dict[str, Any]:
        """Holds past ``after`` in the order of their ids, each with the sums of its postings in credits."""
        return {"holds": [dict(row) for row in await pool.fetch(_HOLDS, after, limit)]}

    return router

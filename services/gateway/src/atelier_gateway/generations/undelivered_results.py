"""SQL of results whose client was gone: kept for its automatic retry, and given to one retry each."""

from dataclasses import dataclass
from uuid import UUID

from atelier_contracts import Owner
from atelier_messaging.database import Connection, Pool

KEPT_MIN = 10
_KEEP = """
INSERT INTO unclaimed_results (generation_id, owner_kind, owner_id, route, fingerprint) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT DO NOTHING
"""
_TAKE = """
DELETE FROM unclaimed_results WHERE generation_id = (
    SELECT generation_id FROM unclaimed_results
    WHERE owner_kind = $1 AND owner_id = $2 AND route = $3 AND fingerprint = $4
      AND left_at > now() - make_interval(mins => $5)
    ORDER BY left_at LIMIT 1 FOR UPDATE SKIP LOCKED
) RETURNING generation_id
"""
_PRUNE = "DELETE FROM unclaimed_results WHERE left_at < now() - make_interval(mins => $1)"


@dataclass(frozen=True, slots=True)
class RequestIdentity:
    """What a retry has in common with the request that it repeats."""

    owner: Owner
    route: str
    fingerprint: bytes


async def insert(connection: Connection, generation_id: UUID, request: RequestIdentity) -> None:
    """Keeps the generation for a retry of the request."""
    owner = request.owner
    await connection.execute(_KEEP, generation_id, owner.kind, owner.id, request.route, request.fingerprint)


async def take(pool: Pool, request: RequestIdentity) -> UUID | None:
    """Claims the oldest generation kept for the request: no other request gets it."""
    owner = request.owner
    found: UUID | None = await pool.fetchval(_TAKE, owner.kind, owner.id, request.route, request.fingerprint, KEPT_MIN)
    return found


async def prune(pool: Pool) -> None:
    """Forgets what no retry has come for."""
    await pool.execute(_PRUNE, KEPT_MIN)

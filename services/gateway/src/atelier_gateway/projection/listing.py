"""Lists of an owner's generations, newest first. Ids are time-ordered (UUIDv7), so the last id seen is the cursor."""

from collections.abc import Collection
from uuid import UUID

from atelier_contracts import Owner
from atelier_gateway.projection import store as projection_store
from atelier_gateway.projection.store import Generation
from atelier_messaging.database import Pool

_NEWEST = f"""
SELECT {projection_store.COLUMNS} FROM generations
WHERE owner_kind = $1 AND owner_id = $2 AND state <> 'rejected'
  AND ($3::uuid IS NULL OR id < $3)
  AND ($4::text IS NULL OR surface = $4)
  AND ($5::text IS NULL OR kind = $5)
  AND ($6::text[] IS NULL OR state = ANY($6))
ORDER BY id DESC LIMIT $7
"""  # noqa: S608 - constants only
_OF_AUDIENCE = _NEWEST.replace(
    "ORDER BY",
    "AND id IN (SELECT generation_id FROM client_token_generations WHERE owner_id = $2 AND audience = $8) ORDER BY",
)


async def list_newest(
    pool: Pool,
    owner: Owner,
    *,
    limit: int,
    before: UUID | None = None,
    surface: str | None = None,
    kind: str | None = None,
    states: Collection[str] | None = None,
    audience: str | None = None,
) -> list[Generation]:
    """At most ``limit`` of this owner's, those older than ``before``; None as a filter means all. ``audience``: of the
    client tokens that made them."""
    wanted = list(states) if states is not None else None
    values = (owner.kind, owner.id, before, surface, kind, wanted, limit)
    rows = await (pool.fetch(_NEWEST, *values) if audience is None else pool.fetch(_OF_AUDIENCE, *values, audience))
    return [projection_store.generation_of(row) for row in rows]

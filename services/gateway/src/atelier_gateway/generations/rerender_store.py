"""SQL of generations that an operator had made once more, and the state of their charge."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from atelier_messaging.database import Connection, Pool

SETTLED_AT_ONCE = 100

_INSERT = """
INSERT INTO rerenders (generation_id, original_id, key, reason, operator) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (original_id, key) DO NOTHING RETURNING generation_id
"""
# One that came to nothing for a while was settled as uncharged: from here on it may be charged.
_AGAIN = """
UPDATE rerenders SET state = 'open', created_at = now()
WHERE original_id = $1 AND key = $2 AND state IN ('open', 'uncharged') RETURNING generation_id
"""
_BY_KEY = "SELECT generation_id FROM rerenders WHERE original_id = $1 AND key = $2"
_OF = """
SELECT generation_id, original_id, reason, operator, state, created_at FROM rerenders
WHERE generation_id = $1 OR original_id = $1 ORDER BY generation_id
"""
# One that never began, or is gone, gives nothing back: an hour is longer than an admission takes.
_ENDED = f"""
SELECT r.generation_id, r.reason, COALESCE(g.credits_captured, 0) > 0 AS charged
FROM rerenders r LEFT JOIN generations g ON g.id = r.generation_id
WHERE r.state = 'open' AND (g.rank = 9 OR g.id IS NULL AND r.created_at < now() - interval '1 hour')
ORDER BY r.generation_id LIMIT {SETTLED_AT_ONCE} FOR UPDATE OF r SKIP LOCKED
"""  # noqa: S608 - constants only
_ENDED_OF = """
SELECT r.generation_id, r.reason, g.credits_captured > 0 AS charged
FROM rerenders r JOIN generations g ON g.id = r.generation_id
WHERE r.generation_id = $1 AND r.state = 'open' AND g.rank = 9 FOR UPDATE OF r
"""
_UNRETURNED = f"""
SELECT r.generation_id, r.reason, true AS charged FROM rerenders r JOIN generations g ON g.id = r.generation_id
WHERE r.state = 'returned' AND r.created_at < now() - make_interval(secs => $1)
  AND g.rank = 9 AND g.credits_captured > g.credits_returned
ORDER BY r.generation_id LIMIT {SETTLED_AT_ONCE}
"""  # noqa: S608 - constants only
_SETTLE = "UPDATE rerenders SET state = $2 WHERE generation_id = ANY($1::uuid[]) AND state = 'open'"


@dataclass(frozen=True, slots=True)
class Rerender:
    """``state``: ``open`` until the new generation has ended, then ``returned`` (its charge goes back) or ``uncharged``
    (there was none)."""

    generation_id: UUID
    original_id: UUID
    reason: str
    operator: str
    state: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class EndedRerender:
    """One whose generation has ended."""

    generation_id: UUID
    reason: str
    charged: bool


async def insert(connection: Connection, new: UUID, original: UUID, key: str, *, reason: str, operator: str) -> bool:
    """Writes it down; False, and nothing, where one was ordered with this key."""
    return await connection.fetchval(_INSERT, new, original, key, reason, operator) is not None


async def order_again(connection: Connection, original: UUID, key: str) -> UUID:
    """The generation that was ordered with this key. Its charge will be settled, also where it was before."""
    known = await connection.fetchval(_AGAIN, original, key) or await connection.fetchval(_BY_KEY, original, key)
    assert isinstance(known, UUID), "an order is never removed"
    return known


async def list_of(pool: Pool, generation: UUID) -> list[Rerender]:
    """Those made of this generation, and the one that it is itself."""
    return [Rerender(**row) for row in await pool.fetch(_OF, generation)]


async def lock_ended_of(connection: Connection, id_: UUID) -> list[EndedRerender]:
    """This generation, if it is a re-render that has ended and is not settled."""
    return [EndedRerender(*row.values()) for row in await connection.fetch(_ENDED_OF, id_)]


async def lock_ended(connection: Connection) -> list[EndedRerender]:
    """Some that have ended and are not settled yet; other processes pass them over until the transaction ends."""
    return [EndedRerender(**row) for row in await connection.fetch(_ENDED)]


async def list_unreturned(pool: Pool, *, after_s: float) -> list[EndedRerender]:
    """Some ordered so long ago whose charge was to go back, and is not known to have."""
    return [EndedRerender(**row) for row in await pool.fetch(_UNRETURNED, after_s)]


async def settle(connection: Connection, ids: Collection[UUID], state: str) -> None:
    """They are settled so."""
    await connection.execute(_SETTLE, list(ids), state)

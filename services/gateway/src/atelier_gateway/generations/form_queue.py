"""SQL of seed 002's queue: who was let in within the last hour, and how many are pending.

Counting and entering is one act under one lock, so that of many requests at once exactly as many get in as may; and a
request that comes to nothing leaves again, so that only accepted ones count (settled question 9).
"""

from dataclasses import dataclass
from uuid import UUID

from atelier_gateway.projection.store import NewGeneration
from atelier_gateway.rate_limits import hourly_quota
from atelier_gateway.rate_limits.hourly_quota import HourlyUsage, Table
from atelier_messaging.database import Connection, Pool

SURFACE = "form"
TABLE: Table = "form_requests"
ADMITTING_S_MAX = 30
"""Past this age an entry without a generation is that of a process that died: it no longer stands in the queue."""
QUEUE_LOCK = 0x666F726D
"""Names the queue among PostgreSQL's advisory locks: "form"."""

_LOCK_QUEUE = "SELECT pg_advisory_xact_lock($1)"
_PENDING = """
SELECT (SELECT count(*) FROM generations WHERE surface = $1 AND rank < 9)
     + (SELECT count(*) FROM form_requests r
        WHERE r.at > statement_timestamp() - make_interval(secs => $2)
          AND NOT EXISTS (SELECT FROM generations g WHERE g.id = r.id))
"""
_AHEAD = """
SELECT count(*) FROM generations WHERE surface = $1 AND rank < 9 AND (created_at, id) < ($2, $3)
"""


@dataclass(frozen=True, slots=True)
class QueuePlace:
    """Let in, at this place in the queue; alone it is 1."""

    position: int


@dataclass(frozen=True, slots=True)
class QueueFull:
    """As many are pending as may be."""


async def enqueue(
    connection: Connection, id_: UUID, user_id: UUID, *, hourly_max: int | None, pending_max: int
) -> QueuePlace | QueueFull | HourlyUsage:
    """Lets the request in, inside the caller's transaction, or says what stands against it."""
    await connection.execute(_LOCK_QUEUE, QUEUE_LOCK)
    if hourly_max is not None:
        used = await hourly_quota.get_usage(connection, TABLE, user_id)
        if used.used >= hourly_max:
            return used
    pending: int = await connection.fetchval(_PENDING, SURFACE, float(ADMITTING_S_MAX))
    if pending >= pending_max:
        return QueueFull()
    await hourly_quota.count_request(connection, TABLE, id_, user_id)
    return QueuePlace(pending + 1)


async def position(pool: Pool, generation: NewGeneration) -> int:
    """Where it stands now among what is pending; alone it is 1."""
    ahead: int = await pool.fetchval(_AHEAD, SURFACE, generation.created_at, generation.id)
    return ahead + 1

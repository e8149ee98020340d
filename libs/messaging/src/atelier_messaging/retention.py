"""Rows that are kept for some time go in slices, each a short statement of its own.

Ids are time-ordered (UUIDv7), so the oldest rows lie at the beginning of a primary key: no index by time is needed.
"""

import time
from typing import Any
from uuid import UUID

from atelier_messaging.database import Pool

SLICE_ROWS = 2_000
_BEGINNING = UUID(int=0)
# Each step jumps to the next name in the primary key: however many marks there are, one look-up a consumer.
_CONSUMERS = """
WITH RECURSIVE names AS (
    (SELECT consumer FROM inbox ORDER BY consumer LIMIT 1)
    UNION ALL
    SELECT (SELECT i.consumer FROM inbox i WHERE i.consumer > n.consumer ORDER BY i.consumer LIMIT 1)
    FROM names n WHERE n.consumer IS NOT NULL
)
SELECT consumer FROM names WHERE consumer IS NOT NULL
"""
_PRUNE_INBOX = """
WITH old AS (
    SELECT message_id FROM inbox
    WHERE message_id > $1 AND message_id < $2 AND consumer = $4 AND handled_at < now() - make_interval(days => $5)
    ORDER BY message_id LIMIT $3 FOR UPDATE SKIP LOCKED
)
DELETE FROM inbox i USING old WHERE i.consumer = $4 AND i.message_id = old.message_id RETURNING i.message_id AS id
"""


def first_id_after(seconds: float) -> UUID:
    """The lowest id that can have been made within the last so many seconds."""
    return UUID(int=int((time.time() - seconds) * 1_000) << 80)


async def delete_slices(pool: Pool, sql: str, end: UUID, *values: Any) -> int:
    """Deletes slice by slice, returns how many rows that were. ``sql`` deletes at most ``$3`` rows whose ids lie past
    ``$1`` and before ``$2``, the lowest first, and returns their ids as ``id``; ``values`` come from ``$4`` on."""
    deleted, position, full = 0, _BEGINNING, True
    while full:
        gone = await pool.fetch(sql, position, end, SLICE_ROWS, *values)
        deleted, full = deleted + len(gone), len(gone) == SLICE_ROWS
        position = max((row["id"] for row in gone), default=position)
    return deleted


async def prune_inbox(pool: Pool, *, days: int) -> int:
    """Deletes the marks of messages that were handled more than so many days ago, however old the messages are."""
    names = [row["consumer"] for row in await pool.fetch(_CONSUMERS)]
    end = first_id_after(days * 86_400)
    return sum([await delete_slices(pool, _PRUNE_INBOX, end, name, days) for name in names])

"""SQL of what happened to each generation. The rows are written by the projection (``projection/store.py``)."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from atelier_gateway.projection.snapshot import State
from atelier_messaging.database import Pool

KEPT_H = 24
"""How long a stream can resume at an event; a later one starts from the present."""
PAGE_MAX = 100
_SINCE = """
SELECT id, state, progress, at FROM generation_events WHERE generation_id = $1 AND id > $2 ORDER BY id LIMIT $3
"""
_PRUNE = "DELETE FROM generation_events WHERE at < now() - make_interval(hours => $1)"


@dataclass(frozen=True, slots=True)
class ProjectionEvent:
    """One change, as its followers see it; ``progress`` is 0..100."""

    id: int
    state: State
    progress: int
    at: datetime


async def list_after(pool: Pool, generation_id: UUID, last_id: int) -> list[ProjectionEvent]:
    """What came after the event with this id, in order; the asker has proven to be the owner."""
    rows = await pool.fetch(_SINCE, generation_id, last_id, PAGE_MAX)
    return [ProjectionEvent(row["id"], row["state"], row["progress"], row["at"]) for row in rows]


async def prune(pool: Pool) -> None:
    """Forgets the events of yesterday."""
    await pool.execute(_PRUNE, KEPT_H)

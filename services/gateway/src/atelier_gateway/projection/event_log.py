"""SQL of what happened to each generation. The rows are written by the projection (``projection/store.py``)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg

from atelier_gateway.projection.snapshot import State
from atelier_messaging import Batcher, retention
from atelier_messaging.database import Pool

KEPT_H = 24
"""How long a stream can resume at an event; a later one starts from the present."""
PAGE_MAX = 100
FOLLOWERS_MAX = 1_000
"""So many followers share a statement; those of one generation that have seen the same events count once in it."""
_SINCE = """
SELECT id, state, progress, at FROM generation_events WHERE generation_id = $1 AND id > $2 ORDER BY id LIMIT $3
"""
_SINCE_EACH = """
SELECT w.generation_id, w.after, e.id, e.state, e.progress, e.at
FROM unnest($1::uuid[], $2::bigint[]) AS w(generation_id, after) CROSS JOIN LATERAL (
    SELECT id, state, progress, at FROM generation_events
    WHERE generation_id = w.generation_id AND id > w.after ORDER BY id LIMIT $3
) AS e ORDER BY e.id
"""
_PRUNE = """
WITH old AS (
    SELECT generation_id, id FROM generation_events
    WHERE generation_id > $1 AND generation_id < $2 AND at < now() - make_interval(hours => $4)
    ORDER BY generation_id, id LIMIT $3 FOR UPDATE SKIP LOCKED
)
DELETE FROM generation_events e USING old WHERE e.generation_id = old.generation_id AND e.id = old.id
RETURNING e.generation_id AS id
"""


@dataclass(frozen=True, slots=True)
class ProjectionEvent:
    """One change, as its followers see it; ``progress`` is 0..100."""

    id: int
    state: State
    progress: int
    at: datetime


class EventReader:
    """Reads events for those who follow generations: they wake together, and share a statement."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._reads: Batcher[tuple[UUID, int], list[ProjectionEvent]] = Batcher(self._read, batch_max=FOLLOWERS_MAX)

    async def list_after(self, generation_id: UUID, last_id: int) -> list[ProjectionEvent]:
        """What came after the event with this id, in order; the caller has proven to be the owner."""
        return await self._reads.submit((generation_id, last_id))

    async def _read(self, wanted: Sequence[tuple[UUID, int]]) -> Sequence[list[ProjectionEvent]]:
        found: dict[tuple[UUID, int], list[ProjectionEvent]] = {each: [] for each in wanted}
        if len(found) == 1:
            rows = await self._pool.fetch(_SINCE, *wanted[0], PAGE_MAX)
            found[wanted[0]] = [_event_of(row) for row in rows]
        else:
            ids, after = [id_ for id_, _ in found], [last_id for _, last_id in found]
            for row in await self._pool.fetch(_SINCE_EACH, ids, after, PAGE_MAX):
                found[row["generation_id"], row["after"]].append(_event_of(row))
        return [found[each] for each in wanted]


def _event_of(row: asyncpg.Record) -> ProjectionEvent:
    return ProjectionEvent(row["id"], row["state"], row["progress"], row["at"])


async def prune(pool: Pool) -> None:
    """Forgets the events of yesterday. What a slice leaves of its last generation goes with the next run."""
    await retention.delete_slices(pool, _PRUNE, retention.first_id_after(KEPT_H * 3_600), KEPT_H)

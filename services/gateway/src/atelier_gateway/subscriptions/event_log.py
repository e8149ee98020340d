"""SQL of the log of public events.

Positions have no gaps and rise in the order of commits, by the lock on one row. It is taken by the last statement of a
transaction: what waits for it holds it no longer than a commit takes.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg
from uuid_utils.compat import uuid7

from atelier_gateway.subscriptions.facts import Fact
from atelier_messaging.database import Connection, Pool

_APPEND = """
WITH facts AS (
    SELECT n.id, n.type, n.subject, n.at, n.traceparent, row_number() OVER (ORDER BY n.place) AS place,
           n.data::jsonb || CASE WHEN g.id IS NULL THEN '{}' ELSE jsonb_build_object(
               'generation_id', g.id, 'owner', jsonb_build_object('kind', g.owner_kind, 'id', g.owner_id),
               'kind', g.kind, 'surface', g.surface, 'metadata', COALESCE(g.request -> 'metadata', '{}')) END AS data
    FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::timestamptz[], $5::text[], $6::text[], $7::bool[])
         WITH ORDINALITY AS n(id, type, subject, at, traceparent, data, is_of_generation, place)
    LEFT JOIN generations g ON n.is_of_generation AND g.id = n.subject
    WHERE g.id IS NOT NULL OR NOT n.is_of_generation
), head AS (
    UPDATE public_event_head SET position = position + (SELECT count(*) FROM facts)
    RETURNING position - (SELECT count(*) FROM facts) AS before
)
INSERT INTO public_events (position, id, type, subject, at, traceparent, data)
SELECT head.before + facts.place, id, type, subject, at, traceparent, data FROM facts, head
"""
_HEAD = "SELECT position FROM public_event_head"
_AFTER = """
SELECT position, id, type, subject, at, traceparent, data::text AS data FROM public_events
WHERE position > $1 AND (cardinality($2::text[]) = 0 OR type = ANY($2)) ORDER BY position LIMIT $3
"""
_OLDEST = "SELECT min(position) FROM public_events"
_BEFORE_TIME = "SELECT COALESCE(max(position), 0) FROM public_events WHERE at < $1"
_OF_ID = "SELECT position FROM public_events WHERE id = $1"
_FORGET = "UPDATE public_events SET data = data || '{\"metadata\": {}}' WHERE subject = $1"
_PRUNE = "DELETE FROM public_events WHERE logged_at < now() - make_interval(days => $1)"


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """An event of the log; ``data`` is JSON."""

    position: int
    id: UUID
    type: str
    subject: UUID
    at: datetime
    traceparent: str | None
    data: str


async def append(connection: Connection, facts: Sequence[Fact]) -> None:
    """Logs the facts in the caller's transaction, as its last statement; those of unknown generations are left out."""
    if not facts:
        return
    await connection.execute(
        _APPEND,
        [uuid7() for _ in facts],
        [fact.type for fact in facts],
        [fact.subject for fact in facts],
        [fact.at for fact in facts],
        [fact.traceparent for fact in facts],
        [json.dumps(fact.data) for fact in facts],
        [fact.is_of_generation for fact in facts],
    )


async def forget_metadata(connection: Connection, generation_id: UUID) -> None:
    """Removes what the client wrote on a generation from the events that are kept about it."""
    await connection.execute(_FORGET, generation_id)


async def get_head(connection: Connection | Pool) -> int:
    """The position of the newest event, 0 before the first one."""
    return int(await connection.fetchval(_HEAD))


async def list_after(connection: Connection, position: int, types: Sequence[str], limit: int) -> list[LoggedEvent]:
    """The events after a position, in order; no types means all."""
    return [_event(row) for row in await connection.fetch(_AFTER, position, list(types), limit)]


async def get_oldest(connection: Connection | Pool) -> int | None:
    """The position of the oldest event that is still kept."""
    oldest: int | None = await connection.fetchval(_OLDEST)
    return oldest


async def find_position_before(connection: Connection, at: datetime) -> int:
    """The position after which all events happened at this time or later."""
    return int(await connection.fetchval(_BEFORE_TIME, at))


async def find_position_of(connection: Connection, id_: UUID) -> int | None:
    """The position of an event, None where it is not kept."""
    position: int | None = await connection.fetchval(_OF_ID, id_)
    return position


async def prune(pool: Pool, days: int) -> None:
    """Deletes the events that are older than so many days."""
    await pool.execute(_PRUNE, days)


def _event(row: asyncpg.Record) -> LoggedEvent:
    return LoggedEvent(
        row["position"], row["id"], row["type"], row["subject"], row["at"], row["traceparent"], row["data"]
    )

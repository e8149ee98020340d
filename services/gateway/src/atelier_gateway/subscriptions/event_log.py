"""SQL of the log of public events.

Positions have no gaps and rise in the order of commits, by the lock on one row. It is taken by the last statement of a
transaction: what waits for it holds it no longer than a commit takes.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import asyncpg
from uuid_utils.compat import uuid7

from atelier_contracts.public_events import GenerationDeletedFact
from atelier_contracts.value_objects import is_test_id
from atelier_gateway.subscriptions.facts import Fact
from atelier_messaging import Transaction
from atelier_messaging.database import Connection, Pool

PRUNE_ROWS = 2_000
_MOVE_HEAD = """
UPDATE public_event_head SET position = position + $1::int RETURNING position - $1::int AS before
"""
_APPEND = """
INSERT INTO public_events (position, id, type, subject, at, traceparent, data)
SELECT h.before + n.place, n.id, n.type, n.subject, n.at, n.traceparent, n.data::jsonb
FROM moved_head h, unnest($1::uuid[], $2::text[], $3::uuid[], $4::timestamptz[], $5::text[], $6::text[])
     WITH ORDINALITY AS n(id, type, subject, at, traceparent, data, place)
"""
_HEAD = "SELECT position FROM public_event_head"
# What all events of a generation have in common is read from its row, so that the hot path writes little. Once it is
# deleted, the event that says so has that, without what the client wrote.
_AFTER = f"""
SELECT e.position, e.id, e.type, e.subject, e.at, e.traceparent,
       (CASE WHEN e.data ? 'owner' THEN e.data WHEN g.id IS NULL THEN d.data || e.data
             ELSE e.data || jsonb_build_object(
                 'generation_id', g.id, 'owner', jsonb_build_object('kind', g.owner_kind, 'id', g.owner_id),
                 'kind', g.kind, 'surface', g.surface, 'metadata', COALESCE(g.request -> 'metadata', '{{}}'))
        END)::text AS data,
       COALESCE(g.owner_id, (COALESCE(d.data, e.data) #>> '{{owner,id}}')::uuid) AS owner_id
FROM public_events e LEFT JOIN generations g ON g.id = e.subject AND NOT e.data ? 'owner'
     LEFT JOIN public_events d ON d.subject = e.subject AND d.type = '{GenerationDeletedFact.type}'
                                  AND g.id IS NULL AND NOT e.data ? 'owner'
WHERE e.position > $1 AND (cardinality($2::text[]) = 0 OR e.type = ANY($2))
  AND (g.id IS NOT NULL OR d.data IS NOT NULL OR e.data ? 'owner')
ORDER BY e.position LIMIT $3
"""  # noqa: S608 - constants only
_BEFORE_TIME = "SELECT COALESCE(max(position), 0) FROM public_events WHERE at < $1"
_OF_ID = """
SELECT position FROM public_events
WHERE id = $1 AND logged_at BETWEEN $2::timestamptz - interval '1 hour' AND $2::timestamptz + interval '1 hour'
"""
_USE_BRIN = "SET LOCAL enable_bitmapscan = on"
# Positions rise with time: only the lowest are looked at, however many there are.
_PRUNE = """
WITH lowest AS (
    SELECT position, logged_at FROM public_events ORDER BY position LIMIT $2
)
DELETE FROM public_events e USING lowest l
WHERE e.position = l.position AND l.logged_at < now() - make_interval(days => $1) RETURNING 1
"""


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


def append(tx: Transaction, facts: Sequence[Fact]) -> None:
    """Logs the facts with the transaction's writes, its last statement."""
    if not facts:
        return
    tx.write("moved_head", _MOVE_HEAD, len(facts))
    tx.write(
        "logged_events",
        _APPEND,
        [uuid7() for _ in facts],
        [fact.type for fact in facts],
        [fact.subject for fact in facts],
        [fact.at for fact in facts],
        [fact.traceparent for fact in facts],
        [json.dumps(fact.data) for fact in facts],
    )


async def get_head(connection: Connection | Pool) -> int:
    """The position of the newest event, 0 before the first one."""
    return int(await connection.fetchval(_HEAD))


async def list_after(connection: Connection, position: int, types: Sequence[str], limit: int) -> list[LoggedEvent]:
    """The events after a position, in order; no types means all."""
    return [_event(row) for row in await connection.fetch(_AFTER, position, list(types), limit)]


async def find_position_before(connection: Connection, at: datetime) -> int:
    """The position after which all events happened at this time or later."""
    return int(await connection.fetchval(_BEFORE_TIME, at))


async def find_position_of(connection: Connection, id_: UUID) -> int | None:
    """The position of an event, None where it is not kept. In a transaction; its id says about when it was logged."""
    if id_.version != 7:
        return None
    await connection.execute(_USE_BRIN)
    logged_at = datetime.fromtimestamp((id_.int >> 80) / 1000, UTC)
    position: int | None = await connection.fetchval(_OF_ID, id_, logged_at)
    return position


async def prune(pool: Pool, days: int) -> None:
    """Deletes the events that are older than so many days, so many at a time."""
    while len(await pool.fetch(_PRUNE, days, PRUNE_ROWS)) == PRUNE_ROWS:
        pass


def _event(row: asyncpg.Record) -> LoggedEvent:
    data: str = row["data"]
    if is_test_id(row["owner_id"]):
        data = json.dumps(json.loads(data) | {"test": True})
    return LoggedEvent(row["position"], row["id"], row["type"], row["subject"], row["at"], row["traceparent"], data)

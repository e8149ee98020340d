"""SQL that saves changes of generations: each changes the row, tells those who follow it, and says what it leads to.

JSON travels as text: the driver takes a list of lists for an array of two dimensions.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg

from atelier_contracts import Owner
from atelier_gateway.projection.snapshot import TERMINAL, Snapshot
from atelier_messaging.database import Connection

CHANGE = """
    UPDATE generations g
    SET state = n.state, rank = n.rank, progress = n.progress, credits_reserved = n.reserved,
        credits_captured = n.captured, credits_refunded = n.refunded, outputs = n.outputs::jsonb,
        error = n.error::jsonb, maker = n.maker, reused = n.reused, model = n.model,
        started_at = n.started_at, ended_at = n.ended_at, handover = n.handover::jsonb, updated_at = now()
    FROM unnest($1::uuid[], $2::text[], $3::smallint[], $4::smallint[], $5::int[], $6::int[], $7::int[], $8::text[],
                $9::text[], $10::text[], $11::bool[], $12::text[], $13::timestamptz[], $14::timestamptz[],
                $15::text[])
         AS n(id, state, rank, progress, reserved, captured, refunded, outputs, error, maker, reused, model,
              started_at, ended_at, handover)
    WHERE g.id = n.id
"""
"""Takes what ``change_values`` gives."""
HAS_LISTENERS = """g.request ->> 'webhook_url' IS NOT NULL OR EXISTS (
        SELECT FROM webhook_endpoints e
        WHERE e.owner_kind = g.owner_kind AND e.owner_id = g.owner_id AND e.disabled_at IS NULL
    )"""
# One statement also tells those who follow a generation live: a change and its event are one write. It answers which of
# them are listened to by webhook (nearly none, and the others cost no further statement) and which have ended.
_UPDATE = f"""
WITH changed AS (
    {CHANGE} AND g.rank <= n.rank
    RETURNING g.id, g.state, g.rank, g.progress, g.surface, g.owner_kind, g.owner_id, g.kind, g.created_at,
              g.updated_at, g.request_id, g.trace_id, {HAS_LISTENERS} AS listened_to
), logged AS (
    INSERT INTO generation_logs (generation_id, user_id, step, progress)
    SELECT id, owner_id, state, progress FROM changed WHERE surface = 'stories'
), followed AS (
    INSERT INTO generation_events (generation_id, state, progress) SELECT id, state, progress FROM changed
)
SELECT * FROM changed WHERE listened_to OR rank = 9
"""  # noqa: S608 - constants only


@dataclass(frozen=True, slots=True)
class GenerationEnd:
    """A generation that has just ended, for the log: seconds from its POST to its end."""

    id: UUID
    owner: Owner
    kind: str
    surface: str
    seconds: float
    request_id: str | None
    trace_id: str | None


@dataclass(frozen=True, slots=True)
class SavedChanges:
    """What a change of snapshots leads to: the generations with webhooks to send, and those that have ended."""

    subscribed: frozenset[UUID] = frozenset()
    ended: tuple[GenerationEnd, ...] = ()


async def save_snapshots(connection: Connection, snapshots: Mapping[UUID, Snapshot]) -> SavedChanges:
    """Writes them in one statement; a row that has come further in the meantime stays as it is."""
    if not snapshots:
        return SavedChanges()
    rows = await connection.fetch(_UPDATE, *change_values(snapshots))
    return SavedChanges(
        frozenset(row["id"] for row in rows if row["listened_to"]),
        tuple(end_of(row) for row in rows if row["rank"] == TERMINAL),
    )


def change_values(snapshots: Mapping[UUID, Snapshot]) -> tuple[list[Any], ...]:
    """The parameters of ``CHANGE``."""
    values = list(snapshots.values())
    return (
        list(snapshots),
        [s.state for s in values],
        [s.rank for s in values],
        [s.progress for s in values],
        [s.credits_reserved for s in values],
        [s.credits_captured for s in values],
        [s.credits_refunded for s in values],
        [json.dumps(s.outputs) for s in values],
        [json.dumps(s.error) if s.error else None for s in values],
        [s.maker for s in values],
        [s.reused for s in values],
        [s.model for s in values],
        [s.started_at for s in values],
        [s.ended_at for s in values],
        [s.handover.model_dump_json() if s.handover else None for s in values],
    )


def end_of(row: asyncpg.Record) -> GenerationEnd:
    """Of a row with the times and names that a log line has."""
    owner = Owner(kind=row["owner_kind"], id=row["owner_id"])
    seconds = (row["updated_at"] - row["created_at"]).total_seconds()
    return GenerationEnd(row["id"], owner, row["kind"], row["surface"], seconds, row["request_id"], row["trace_id"])

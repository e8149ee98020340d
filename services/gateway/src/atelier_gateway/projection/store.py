"""SQL of the projection: what clients see of their generations. Every read names the owner who asks.

JSON travels to the hot statements as text: the driver takes a list of lists for an array of two dimensions.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from atelier_contracts import Channel, Kind, Owner
from atelier_gateway.projection.handover import Handover
from atelier_gateway.projection.snapshot import Snapshot
from atelier_messaging import Transaction
from atelier_messaging.database import Connection, Pool

_INSERT = """
INSERT INTO generations (id, channel, owner_kind, owner_id, kind, surface, state, rank, request, price, created_at,
                         request_id, trace_id)
SELECT id, channel, owner_kind, owner_id, kind, surface, 'accepted', 0, request::jsonb, price, created_at,
       request_id, trace_id
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::uuid[], $5::text[], $6::text[], $7::text[], $8::int[],
            $9::timestamptz[], $10::text[], $11::text[])
     AS n(id, channel, owner_kind, owner_id, kind, surface, request, price, created_at, request_id, trace_id)
RETURNING id, owner_id, surface, request
"""
# What is asked of a story is also written beside it, in the same statement: both are there, or neither.
_NARRATIONS = """
INSERT INTO story_generations (id, user_id, story_id)
SELECT id, owner_id, (request ->> 'story_id')::uuid FROM new_generations WHERE surface = 'stories'
"""
_ACCEPTED = """
INSERT INTO generation_logs (generation_id, user_id, step, progress)
SELECT id, owner_id, 'accepted', 0 FROM new_generations WHERE surface = 'stories'
"""
_PRESENT = "SELECT id FROM generations WHERE id = ANY($1::uuid[])"
SNAPSHOT = "state, progress, credits_reserved, credits_captured, credits_refunded, outputs, error, maker, reused"
SNAPSHOT += ", model, started_at, ended_at, credits_returned, handover"
COLUMNS = (
    "id, channel, owner_kind, owner_id, kind, surface, request, price, created_at, updated_at, request_id, trace_id,"
    f" {SNAPSHOT}"
)
_LOCK = (
    f"SELECT id, owner_kind, owner_id, {SNAPSHOT} FROM generations WHERE id = ANY($1::uuid[]) ORDER BY id FOR UPDATE"  # noqa: S608 - constants only
)
_SNAPSHOTS = f"SELECT id, owner_kind, owner_id, {SNAPSHOT} FROM generations WHERE id = ANY($1::uuid[])"  # noqa: S608 - constants only
_SETTLED = f"{_SNAPSHOTS} ORDER BY id FOR SHARE"
_DELETE = """
WITH gone AS (
    DELETE FROM generations WHERE id = $1 AND owner_kind = $2 AND owner_id = $3 AND rank = 9
    RETURNING id, credits_captured
), forgotten AS (
    DELETE FROM generation_events WHERE generation_id IN (SELECT id FROM gone)
), charged AS (
    UPDATE client_token_generations u SET credits = gone.credits_captured FROM gone WHERE u.generation_id = gone.id
)
SELECT count(*) FROM gone
"""
_DELETE_DECLINED = """
WITH unused AS (DELETE FROM client_token_generations WHERE generation_id = ANY($1::uuid[]))
DELETE FROM generations WHERE id = ANY($1::uuid[])
"""
_EXPIRE = """
WITH forgotten AS (DELETE FROM files WHERE generation_id = ANY($1::uuid[]) AND category = 'result')
UPDATE generations SET outputs = '[]', error = $2, updated_at = now() WHERE id = ANY($1::uuid[]) AND state = 'succeeded'
"""
_IS_UNDELIVERED = """
SELECT EXISTS (SELECT FROM generations WHERE id = $1 AND request ->> 'charge' = 'on_delivery' AND NOT outputs @> $2)
"""
_SAVE_HANDOVER = "UPDATE generations SET handover = $2 WHERE id = $1"
_NOTE_RETURNS = """
UPDATE generations g SET credits_returned = greatest(g.credits_returned, r.credits), updated_at = now()
FROM unnest($1::uuid[], $2::int[]) AS r(id, credits) WHERE g.id = r.id
"""
_OWNED = f"SELECT {COLUMNS} FROM generations WHERE id = $1 AND owner_kind = $2 AND owner_id = $3"  # noqa: S608 - constants only
_OWNED_MANY = f"""
SELECT {COLUMNS} FROM generations
JOIN unnest($1::uuid[], $2::text[], $3::uuid[]) AS n(id, owner_kind, owner_id) USING (id, owner_kind, owner_id)
"""  # noqa: S608 - constants only
_ANY = f"SELECT {COLUMNS} FROM generations WHERE id = $1"  # noqa: S608 - constants only

OUTPUTS_EXPIRED = {
    "code": "outputs_expired",
    "message": "The outputs were kept for as long as the request or this installation has them kept, and are deleted.",
}


@dataclass(frozen=True, slots=True)
class NewGeneration:
    """What is known of a generation when its POST comes in. ``price`` is the whole price in credits."""

    id: UUID
    channel: Channel
    owner: Owner
    kind: Kind
    surface: str
    request: dict[str, Any]
    price: int
    created_at: datetime
    request_id: str | None = field(default=None, kw_only=True)
    """``X-Request-Id`` of the POST that created it."""
    trace_id: str | None = field(default=None, kw_only=True)
    """Its trace, 32 hex digits."""


@dataclass(frozen=True, slots=True)
class Generation(NewGeneration):
    """A row of the projection."""

    updated_at: datetime
    snapshot: Snapshot


def insert(tx: Transaction, new: Sequence[NewGeneration]) -> None:
    """Adds them to what the transaction writes."""
    if not new:
        return
    tx.write(
        "new_generations",
        _INSERT,
        [g.id for g in new],
        [g.channel for g in new],
        [g.owner.kind for g in new],
        [g.owner.id for g in new],
        [g.kind for g in new],
        [g.surface for g in new],
        [json.dumps(g.request) for g in new],
        [g.price for g in new],
        [g.created_at for g in new],
        [g.request_id for g in new],
        [g.trace_id for g in new],
    )
    if any(g.surface == "stories" for g in new):
        tx.write("narrations", _NARRATIONS)
        tx.write("narrations_accepted", _ACCEPTED)


async def find_existing(connection: Connection, ids: Collection[UUID]) -> set[UUID]:
    """Those that are there."""
    return {row["id"] for row in await connection.fetch(_PRESENT, list(ids))} if ids else set()


async def lock_snapshots(connection: Connection, ids: Collection[UUID]) -> dict[UUID, Snapshot]:
    """Locks and loads the changing part of those that exist, in id order."""
    return {row["id"]: snapshot_of(row) for row in await connection.fetch(_LOCK, sorted(ids))}


async def load_snapshots(pool: Pool, ids: Collection[UUID]) -> dict[UUID, Snapshot]:
    """The changing part of those that exist; for waiters, whose owner has been checked before."""
    return {row["id"]: snapshot_of(row) for row in await pool.fetch(_SNAPSHOTS, list(ids))}


async def load_settled_snapshots(pool: Pool, ids: Collection[UUID]) -> dict[UUID, Snapshot]:
    """The same, as soon as no transaction is changing them any more."""
    return {row["id"]: snapshot_of(row) for row in await pool.fetch(_SETTLED, list(ids))}


async def expire_outputs(connection: Connection, ids: Collection[UUID]) -> None:
    """Marks the outputs of succeeded generations as deleted. Their state stays; streams and webhooks get no new
    event."""
    await connection.execute(_EXPIRE, list(ids), OUTPUTS_EXPIRED)


async def is_undelivered(pool: Pool, id_: UUID, key: str) -> bool:
    """Whether the key names an output that is charged on delivery and was not delivered."""
    return bool(await pool.fetchval(_IS_UNDELIVERED, id_, [{"key": key}]))


async def save_handover(connection: Connection, id_: UUID, handover: Handover) -> None:
    """Writes the handover of a locked generation. No event is written: its state stays."""
    await connection.execute(_SAVE_HANDOVER, id_, handover.model_dump(mode="json"))


async def note_returns(connection: Connection, returned: Mapping[UUID, int]) -> None:
    """Writes how many credits went back after they were charged, by generation; a number only ever climbs."""
    await connection.execute(_NOTE_RETURNS, list(returned), list(returned.values()))


async def delete_ended(connection: Connection, id_: UUID, owner: Owner) -> bool:
    """Removes this owner's generation and its events, if it has ended; whether there was such a one."""
    return bool(await connection.fetchval(_DELETE, id_, owner.kind, owner.id))


async def delete(connection: Connection, ids: Collection[UUID]) -> None:
    """Removes generations that never began: declined or withdrawn ones."""
    await connection.execute(_DELETE_DECLINED, list(ids))


async def find_for_owner(pool: Pool, id_: UUID, owner: Owner) -> Generation | None:
    """The generation, if it is this owner's."""
    row = await pool.fetchrow(_OWNED, id_, owner.kind, owner.id)
    return generation_of(row) if row else None


async def find_for_owners(pool: Pool, wanted: Collection[tuple[UUID, Owner]]) -> dict[tuple[UUID, Owner], Generation]:
    """Those generations that are of the owner they are wanted for, in one statement."""
    pairs = list(wanted)
    ids, kinds, owners = [id_ for id_, _ in pairs], [o.kind for _, o in pairs], [o.id for _, o in pairs]
    rows = await pool.fetch(_OWNED_MANY, ids, kinds, owners)
    return {(found.id, found.owner): found for found in map(generation_of, rows)}


async def find_by_id(pool: Pool, id_: UUID) -> Generation | None:
    """The generation, for an operator or for the request that made it."""
    row = await pool.fetchrow(_ANY, id_)
    return generation_of(row) if row else None


def snapshot_of(row: asyncpg.Record) -> Snapshot:
    """The changing part of a row that was selected with ``SNAPSHOT``."""
    return Snapshot(
        row["state"],
        row["progress"],
        row["credits_reserved"],
        row["credits_captured"],
        row["credits_refunded"],
        tuple(row["outputs"]),
        row["error"],
        row["maker"],
        row["reused"],
        _owner(row),
        row["model"],
        row["started_at"],
        row["ended_at"],
        row["credits_returned"],
        Handover.model_validate(row["handover"]) if row["handover"] else None,
    )


def _owner(row: asyncpg.Record) -> Owner:
    return Owner(kind=row["owner_kind"], id=row["owner_id"])


def generation_of(row: asyncpg.Record) -> Generation:
    """A row that was selected with ``COLUMNS``."""
    return Generation(
        row["id"],
        row["channel"],
        _owner(row),
        row["kind"],
        row["surface"],
        row["request"],
        row["price"],
        row["created_at"],
        row["updated_at"],
        snapshot_of(row),
        request_id=row["request_id"],
        trace_id=row["trace_id"],
    )

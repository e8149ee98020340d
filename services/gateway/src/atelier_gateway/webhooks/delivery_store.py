"""SQL of webhook deliveries: insert, list, replay, prune. For sending them see ``dispatch_store.py``."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg

from atelier_contracts import Owner
from atelier_gateway.projection import store as projection_store
from atelier_gateway.projection.store import Generation
from atelier_messaging.database import Connection, Pool

_LISTENERS = f"""
SELECT g.*, l.*
FROM (SELECT {projection_store.COLUMNS} FROM generations WHERE id = ANY($1::uuid[])) g
CROSS JOIN LATERAL (
    SELECT e.id AS endpoint_id, NULL AS webhook_url, e.events FROM webhook_endpoints e
    WHERE e.owner_kind = g.owner_kind AND e.owner_id = g.owner_id AND e.disabled_at IS NULL
    UNION ALL
    SELECT NULL, g.request ->> 'webhook_url', NULL WHERE g.request ->> 'webhook_url' IS NOT NULL
) l
"""  # noqa: S608 - constants only
_OF_OWNERS = """
SELECT e.id, e.owner_kind, e.owner_id FROM webhook_endpoints e
JOIN unnest($1::text[], $2::uuid[]) AS o(owner_kind, owner_id) USING (owner_kind, owner_id)
WHERE e.disabled_at IS NULL AND (e.events = '{}' OR $3 = ANY(e.events))
"""
_INSERT = """
INSERT INTO webhook_deliveries (id, owner_kind, owner_id, endpoint_id, url, target, type, generation_id, payload,
                                traceparent, next_try_at)
SELECT id, owner_kind, owner_id, endpoint_id, url, target, type, generation_id, payload, traceparent,
       now() + make_interval(secs => after_s)
FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::uuid[], $5::text[], $6::text[], $7::text[], $8::uuid[],
            $9::jsonb[], $10::text[], $11::float8[])
     AS n(id, owner_kind, owner_id, endpoint_id, url, target, type, generation_id, payload, traceparent, after_s)
"""
COLUMNS = """d.id, d.endpoint_id, d.type, d.generation_id, d.state, d.next_try_at, d.created_at,
coalesce(d.url, e.url) AS url, (
    SELECT coalesce(jsonb_agg(jsonb_build_object('number', a.number, 'at', a.at, 'duration_ms', a.duration_ms,
        'status', a.status, 'error', a.error, 'response', a.response) ORDER BY a.number), '[]')
    FROM webhook_attempts a WHERE a.delivery_id = d.id
) AS attempts"""
FROM_TABLES = "FROM webhook_deliveries d LEFT JOIN webhook_endpoints e ON e.id = d.endpoint_id"
_ONE = f"SELECT {COLUMNS} {FROM_TABLES} WHERE d.owner_kind = $1 AND d.owner_id = $2 AND d.id = $3"
_PAGE = f"""
SELECT {COLUMNS} {FROM_TABLES}
WHERE d.owner_kind = $1 AND d.owner_id = $2 AND ($3::uuid IS NULL OR d.id < $3)
  AND ($4::uuid IS NULL OR d.endpoint_id = $4) AND ($5::uuid IS NULL OR d.generation_id = $5)
  AND ($6::text IS NULL OR d.state = $6)
ORDER BY d.id DESC LIMIT $7
"""
_OF_GENERATION = f"SELECT {COLUMNS} {FROM_TABLES} WHERE d.generation_id = $1 ORDER BY d.id"
# One that is being sent just now keeps its claim: were it taken away, two would send it at once.
_REPLAY = """
UPDATE webhook_deliveries SET state = 'pending', tries = 0, next_try_at = now()
WHERE owner_kind = $1 AND owner_id = $2 AND id = $3
"""
# What a receiver needs to know which generation it was and how it ended stays, names of fields that are added later go.
_FORGET_CONTENTS = """
UPDATE webhook_deliveries d SET payload = jsonb_set(d.payload, '{data}', (
    SELECT coalesce(jsonb_object_agg(f.key, f.value), '{}') || '{"outputs": []}'
    FROM jsonb_each(d.payload -> 'data') f WHERE f.key = ANY($2::text[])
))
WHERE d.generation_id = $1
"""
KEPT_OF_DELETED = ("id", "kind", "status", "progress", "credits", "error", "created_at", "links")
_DELETE_OF_GENERATIONS = "DELETE FROM webhook_deliveries WHERE generation_id = ANY($1::uuid[])"
PRUNED_AT_ONCE = 1_000
_PRUNE = """
WITH gone AS (
    DELETE FROM webhook_deliveries WHERE id IN (
        SELECT id FROM webhook_deliveries WHERE id < $1 AND state <> 'pending' ORDER BY id LIMIT $2
    ) RETURNING id
)
SELECT count(*) FROM gone
"""


@dataclass(frozen=True, slots=True)
class Subscriber:
    """Who wants to hear of a generation: an endpoint of its owner, or the URL that came with its request."""

    generation: Generation
    endpoint_id: UUID | None
    url: str | None
    events: tuple[str, ...]
    """Of the endpoint; none means all."""


@dataclass(frozen=True, slots=True)
class NewDelivery:
    """One event for one receiver, to be sent ``after_s`` seconds from now at the earliest."""

    id: UUID
    owner: Owner
    endpoint_id: UUID | None
    url: str | None
    target: str
    type: str
    generation_id: UUID | None
    payload: dict[str, Any]
    traceparent: str | None = None
    after_s: float = 0.0


@dataclass(frozen=True, slots=True)
class WebhookDelivery:
    """A delivery as its owner sees it; the attempts as ``{number, at, duration_ms, status, error, response}``."""

    id: UUID
    endpoint_id: UUID | None
    url: str
    type: str
    generation_id: UUID | None
    state: str
    next_try_at: datetime
    created_at: datetime
    attempts: list[dict[str, Any]]


async def find_subscribers(connection: Connection, generation_ids: Collection[UUID]) -> list[Subscriber]:
    """Everybody who wants to hear of these generations."""
    rows = await connection.fetch(_LISTENERS, list(generation_ids))
    return [
        Subscriber(
            projection_store.generation_of(row), row["endpoint_id"], row["webhook_url"], tuple(row["events"] or ())
        )
        for row in rows
    ]


async def find_endpoints(connection: Connection, owners: Collection[Owner], type_: str) -> dict[UUID, Owner]:
    """The endpoints of these owners that want events of this type, each with its owner."""
    kinds, ids = [owner.kind for owner in owners], [owner.id for owner in owners]
    rows = await connection.fetch(_OF_OWNERS, kinds, ids, type_)
    return {row["id"]: Owner(kind=row["owner_kind"], id=row["owner_id"]) for row in rows}


async def insert(connection: Connection, new: Sequence[NewDelivery]) -> None:
    """Writes them in one statement."""
    await connection.execute(
        _INSERT,
        [delivery.id for delivery in new],
        [delivery.owner.kind for delivery in new],
        [delivery.owner.id for delivery in new],
        [delivery.endpoint_id for delivery in new],
        [delivery.url for delivery in new],
        [delivery.target for delivery in new],
        [delivery.type for delivery in new],
        [delivery.generation_id for delivery in new],
        [delivery.payload for delivery in new],
        [delivery.traceparent for delivery in new],
        [delivery.after_s for delivery in new],
    )


async def find(connection: Connection | Pool, owner: Owner, id_: UUID) -> WebhookDelivery | None:
    """The delivery, if it is this owner's."""
    row = await connection.fetchrow(_ONE, owner.kind, owner.id, id_)
    return delivery_of(row) if row else None


async def list_page(
    pool: Pool,
    owner: Owner,
    *,
    before: UUID | None,
    limit: int,
    endpoint_id: UUID | None = None,
    generation_id: UUID | None = None,
    state: str | None = None,
) -> list[WebhookDelivery]:
    """This owner's, newest first; None as a filter means all."""
    rows = await pool.fetch(_PAGE, owner.kind, owner.id, before, endpoint_id, generation_id, state, limit)
    return [delivery_of(row) for row in rows]


async def list_for_generation(pool: Pool, generation_id: UUID) -> list[WebhookDelivery]:
    """The deliveries about a generation, for its verified owner and for operators."""
    return [delivery_of(row) for row in await pool.fetch(_OF_GENERATION, generation_id)]


async def forget_contents(connection: Connection, generation_id: UUID) -> None:
    """Removes inputs and outputs from all deliveries about a deleted generation."""
    await connection.execute(_FORGET_CONTENTS, generation_id, list(KEPT_OF_DELETED))


async def delete_for_generations(connection: Connection, generation_ids: Collection[UUID]) -> None:
    """Removes the deliveries of generations that never began. Call it after their rows are deleted: that waits
    for a transaction that is enqueuing deliveries for them."""
    await connection.execute(_DELETE_OF_GENERATIONS, list(generation_ids))


async def replay(connection: Connection | Pool, owner: Owner, id_: UUID) -> None:
    """It is sent again as soon as can be, with a new round of tries."""
    await connection.execute(_REPLAY, owner.kind, owner.id, id_)


async def prune(pool: Pool, kept_days: int) -> None:
    """Forgets what is over and old, so much at a time. Ids are time-ordered (UUIDv7): the oldest stand first."""
    oldest_kept = int((datetime.now(UTC) - timedelta(days=kept_days)).timestamp() * 1_000)
    while await pool.fetchval(_PRUNE, UUID(int=oldest_kept << 80), PRUNED_AT_ONCE) == PRUNED_AT_ONCE:
        pass


def delivery_of(row: asyncpg.Record) -> WebhookDelivery:
    """Of a row with ``COLUMNS``."""
    return WebhookDelivery(
        row["id"],
        row["endpoint_id"],
        row["url"],
        row["type"],
        row["generation_id"],
        row["state"],
        row["next_try_at"],
        row["created_at"],
        row["attempts"],
    )

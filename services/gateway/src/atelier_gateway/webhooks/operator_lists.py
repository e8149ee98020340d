"""SQL of an operator's lists of webhook endpoints and deliveries of all owners. Each reads a bounded number of rows."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from atelier_contracts import Owner
from atelier_gateway.webhooks.delivery_store import COLUMNS, FROM_TABLES, WebhookDelivery, delivery_of
from atelier_messaging.database import Pool

SCAN_MAX = 5_000
"""Rows that one page looks at."""

_ENDPOINTS = """
SELECT id, owner_kind, owner_id, url, events, disabled_at, disabled_reason, failing_since, created_at
FROM webhook_endpoints WHERE $1::uuid IS NULL OR id < $1 ORDER BY id DESC LIMIT $2
"""
_WINDOW = """
SELECT id FROM (SELECT id, state FROM webhook_deliveries WHERE {where} ORDER BY id DESC LIMIT {scan}) seen
WHERE $2::text IS NULL OR state = $2 ORDER BY id DESC LIMIT {limit}
"""
_END = "SELECT id FROM webhook_deliveries WHERE {where} ORDER BY id DESC OFFSET {skipped} LIMIT 1"
_OF_ALL = "($1::uuid IS NULL OR id < $1)"
_OF_ENDPOINT = "endpoint_id = $3 AND ($1::uuid IS NULL OR id < $1)"
_THESE = f"SELECT {COLUMNS}, d.owner_kind, d.owner_id {FROM_TABLES} WHERE d.id = ANY($1::uuid[]) ORDER BY d.id DESC"


@dataclass(frozen=True, slots=True)
class OwnedEndpoint:
    """An endpoint with its owner."""

    id: UUID
    owner: Owner
    url: str
    events: list[str]
    disabled_at: datetime | None
    disabled_reason: str | None
    failing_since: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class OwnedDelivery:
    """A delivery with its owner."""

    owner: Owner
    delivery: WebhookDelivery


async def list_endpoints(pool: Pool, *, before: UUID | None, limit: int) -> list[OwnedEndpoint]:
    """The endpoints of all owners, newest first."""
    rows = await pool.fetch(_ENDPOINTS, before, limit)
    names = [name for name in OwnedEndpoint.__slots__ if name != "owner"]
    return [
        OwnedEndpoint(owner=Owner(kind=row["owner_kind"], id=row["owner_id"]), **{name: row[name] for name in names})
        for row in rows
    ]


async def list_deliveries(
    pool: Pool, *, state: str | None, endpoint: UUID | None, before: UUID | None, limit: int
) -> tuple[list[OwnedDelivery], UUID | None]:
    """The deliveries of all owners or of one endpoint, newest first, and where the next page begins. A page whose
    window held fewer than ``limit`` is short, and still leads on."""
    of_endpoint = (endpoint,) if endpoint else ()
    where = _OF_ENDPOINT if endpoint else _OF_ALL
    window = _WINDOW.format(where=where, scan=SCAN_MAX, limit=f"${3 + len(of_endpoint)}")
    ids = [row["id"] for row in await pool.fetch(window, before, state, *of_endpoint, limit + 1)]
    found = await find_deliveries(pool, ids[:limit])
    if len(ids) > limit:
        return found, ids[limit - 1]
    end = _END.format(where=where.replace("$3", "$2"), skipped=SCAN_MAX - 1)
    return found, await pool.fetchval(end, before, *of_endpoint)


async def find_deliveries(pool: Pool, ids: list[UUID]) -> list[OwnedDelivery]:
    """These, newest first; those that are not there are left out."""
    return [
        OwnedDelivery(Owner(kind=row["owner_kind"], id=row["owner_id"]), delivery_of(row))
        for row in await pool.fetch(_THESE, ids)
    ]

"""SQL of webhook endpoints and of the owners' own signing secrets. Every statement names the owner who asks."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg

from atelier_contracts import Owner
from atelier_gateway.webhooks.signing import OLD_SECRET_VALID, SecretIds
from atelier_messaging.database import Connection, Pool

ENDPOINTS_MAX = 20
"""Of one owner; each event of theirs is written down once for each."""

_COLUMNS = """id, url, description, events, secret_id, previous_secret_id, previous_until, disabled_at, disabled_reason,
failing_since, created_at"""
_OWNED = "owner_kind = $1 AND owner_id = $2"
# One at a time for an owner, so that two at once cannot pass the bound together.
_LOCK_OWNER = "SELECT pg_advisory_xact_lock(hashtextextended('webhooks ' || $1 || ' ' || $2, 0))"
_COUNT = f"SELECT count(*) FROM webhook_endpoints WHERE {_OWNED}"  # noqa: S608 - constants only
_INSERT = f"""
INSERT INTO webhook_endpoints (owner_kind, owner_id, id, url, description, events, secret_id)
VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING {_COLUMNS}
"""  # noqa: S608 - constants only
_ONE = f"SELECT {_COLUMNS} FROM webhook_endpoints WHERE {_OWNED} AND id = $3"  # noqa: S608 - constants only
_PAGE = f"""
SELECT {_COLUMNS} FROM webhook_endpoints WHERE {_OWNED} AND ($3::uuid IS NULL OR id < $3) ORDER BY id DESC LIMIT $4
"""  # noqa: S608 - constants only
_CHANGE = f"""
UPDATE webhook_endpoints
SET url = coalesce($4, url), description = coalesce($5, description), events = coalesce($6, events),
    disabled_at = CASE $7::bool WHEN true THEN coalesce(disabled_at, now()) WHEN false THEN NULL ELSE disabled_at END,
    disabled_reason = CASE $7 WHEN true THEN coalesce(disabled_reason, 'owner') WHEN false THEN NULL
                      ELSE disabled_reason END,
    failing_since = CASE WHEN $7 = false THEN NULL ELSE failing_since END
WHERE {_OWNED} AND id = $3 RETURNING {_COLUMNS}
"""  # noqa: S608 - constants only
_STOP = """
UPDATE webhook_deliveries SET state = 'failed', claim = NULL, leased_until = NULL
WHERE endpoint_id = $1 AND state = 'pending'
"""
_DELETE = f"DELETE FROM webhook_endpoints WHERE {_OWNED} AND id = $3 RETURNING id"  # noqa: S608 - constants only
_ROTATE = f"""
UPDATE webhook_endpoints SET previous_secret_id = secret_id, previous_until = now() + $5::interval, secret_id = $4
WHERE {_OWNED} AND id = $3 RETURNING {_COLUMNS}
"""  # noqa: S608 - constants only
_SIGNING = """
SELECT secret_id, previous_secret_id, previous_until FROM webhook_secrets WHERE owner_kind = $1 AND owner_id = $2
"""
_ENSURE_SIGNING = """
INSERT INTO webhook_secrets (owner_kind, owner_id, secret_id)
SELECT * FROM unnest($1::text[], $2::uuid[], $3::uuid[]) ORDER BY 1, 2 ON CONFLICT DO NOTHING
"""
_ROTATE_SIGNING = """
UPDATE webhook_secrets SET previous_secret_id = secret_id, previous_until = now() + $4::interval, secret_id = $3
WHERE owner_kind = $1 AND owner_id = $2 RETURNING secret_id, previous_secret_id, previous_until
"""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A row of ``webhook_endpoints``; no events means all of them."""

    id: UUID
    url: str
    description: str
    events: tuple[str, ...]
    secret_ids: SecretIds
    disabled_at: datetime | None
    disabled_reason: str | None
    failing_since: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class EndpointChange:
    """The changes to an endpoint; None stays as it is."""

    url: str | None = None
    description: str | None = None
    events: Sequence[str] | None = None
    disabled: bool | None = None


async def insert(
    connection: Connection, owner: Owner, id_: UUID, url: str, description: str, events: Sequence[str], secret_id: UUID
) -> Endpoint | None:
    """A new endpoint; None where the owner has as many as may be."""
    await connection.execute(_LOCK_OWNER, owner.kind, str(owner.id))
    if await connection.fetchval(_COUNT, owner.kind, owner.id) >= ENDPOINTS_MAX:
        return None
    row = await connection.fetchrow(_INSERT, owner.kind, owner.id, id_, url, description, list(events), secret_id)
    assert row is not None, "an insert without a conflict clause returns its row"
    return _endpoint(row)


async def find(connection: Connection | Pool, owner: Owner, id_: UUID) -> Endpoint | None:
    """The endpoint, if it is this owner's."""
    row = await connection.fetchrow(_ONE, owner.kind, owner.id, id_)
    return _endpoint(row) if row else None


async def list_page(pool: Pool, owner: Owner, *, before: UUID | None, limit: int) -> list[Endpoint]:
    """This owner's, newest first."""
    return [_endpoint(row) for row in await pool.fetch(_PAGE, owner.kind, owner.id, before, limit)]


async def change(connection: Connection, owner: Owner, id_: UUID, to: EndpointChange) -> Endpoint | None:
    """The endpoint as it is afterwards, None if it is not this owner's. One that is disabled gets no more events."""
    events = None if to.events is None else list(to.events)
    row = await connection.fetchrow(_CHANGE, owner.kind, owner.id, id_, to.url, to.description, events, to.disabled)
    if row is None:
        return None
    if row["disabled_at"] is not None:
        await connection.execute(_STOP, id_)
    return _endpoint(row)


async def delete(connection: Connection, owner: Owner, id_: UUID) -> bool:
    """Removes it with its deliveries; whether it was there and this owner's."""
    return await connection.fetchval(_DELETE, owner.kind, owner.id, id_) is not None


async def rotate(connection: Connection, owner: Owner, id_: UUID, secret_id: UUID) -> Endpoint | None:
    """Another secret; the one before signs for another day."""
    row = await connection.fetchrow(_ROTATE, owner.kind, owner.id, id_, secret_id, OLD_SECRET_VALID)
    return _endpoint(row) if row else None


async def ensure_secrets(connection: Connection | Pool, owners: Sequence[Owner], fresh: Sequence[UUID]) -> None:
    """Each of these owners has a signing secret of their own afterwards: the one they had, or the fresh one."""
    await connection.execute(
        _ENSURE_SIGNING, [owner.kind for owner in owners], [owner.id for owner in owners], list(fresh)
    )


async def find_secret(connection: Connection | Pool, owner: Owner) -> SecretIds | None:
    """The owner's signing secret, once there is one."""
    row = await connection.fetchrow(_SIGNING, owner.kind, owner.id)
    return secret_ids(row) if row else None


async def rotate_secret(connection: Connection, owner: Owner, secret_id: UUID) -> SecretIds | None:
    """Another one; the one before signs for another day."""
    row = await connection.fetchrow(_ROTATE_SIGNING, owner.kind, owner.id, secret_id, OLD_SECRET_VALID)
    return secret_ids(row) if row else None


def secret_ids(row: asyncpg.Record) -> SecretIds:
    """Of a row with the three columns of a receiver's secrets."""
    return SecretIds(row["secret_id"], row["previous_secret_id"], row["previous_until"])


def _endpoint(row: asyncpg.Record) -> Endpoint:
    return Endpoint(
        row["id"],
        row["url"],
        row["description"],
        tuple(row["events"]),
        secret_ids(row),
        row["disabled_at"],
        row["disabled_reason"],
        row["failing_since"],
        row["created_at"],
    )

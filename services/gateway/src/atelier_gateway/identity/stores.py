"""SQL of stores and their API keys."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from atelier_gateway.identity.api_keys import StoredKey
from atelier_messaging.database import Connection, Pool

KEYS_ACTIVE_MAX = 2

_KEY = """
SELECT k.id, k.store_id, k.digest, s.suspended_at IS NOT NULL AS suspended, k.is_test
FROM api_keys k JOIN stores s ON s.id = k.store_id WHERE k.prefix = $1 AND k.revoked_at IS NULL
"""
_ACTIVE_KEYS = """
SELECT k.prefix, k.id, k.store_id, k.digest, s.suspended_at IS NOT NULL AS suspended, k.is_test
FROM api_keys k JOIN stores s ON s.id = k.store_id WHERE k.prefix = ANY($1::text[]) AND k.revoked_at IS NULL
"""
_INSERT = "INSERT INTO stores (id, name) VALUES ($1, $2)"
_LOCK = "SELECT true FROM stores WHERE id = $1 FOR UPDATE"
_PAGE = """
SELECT id, name, created_at, suspended_at FROM stores WHERE ($1::uuid IS NULL OR id < $1) ORDER BY id DESC LIMIT $2
"""
_ONE = "SELECT id, name, created_at, suspended_at FROM stores WHERE id = $1"
_SET_SUSPENDED = """
UPDATE stores SET suspended_at = CASE WHEN $2 THEN COALESCE(suspended_at, now()) END WHERE id = $1
RETURNING id, name, created_at, suspended_at
"""
_KEYS_ACTIVE = "SELECT count(*) FROM api_keys WHERE store_id = $1 AND is_test = $2 AND revoked_at IS NULL"
_INSERT_KEY = "INSERT INTO api_keys (id, store_id, prefix, digest, name, is_test) VALUES ($1, $2, $3, $4, $5, $6)"
_KEYS = """
SELECT id, name, prefix, is_test AS test, created_at, last_used_at, revoked_at FROM api_keys
WHERE store_id = $1 AND ($2::uuid IS NULL OR id < $2) ORDER BY id DESC LIMIT $3
"""
_REVOKE_KEY = """
UPDATE api_keys SET revoked_at = COALESCE(revoked_at, now()) WHERE store_id = $1 AND $2 IN (id::text, prefix)
RETURNING id, name, prefix, is_test AS test, created_at, last_used_at, revoked_at
"""
_PREFIXES = "SELECT id, prefix FROM api_keys WHERE id = ANY($1::uuid[])"
# Only forwards: two processes write what each of them saw.
_NOTE_USE = """
UPDATE api_keys k SET last_used_at = GREATEST(k.last_used_at, u.at)
FROM unnest($1::uuid[], $2::timestamptz[]) AS u(id, at) WHERE k.id = u.id
"""


@dataclass(frozen=True, slots=True)
class Store:
    """A store as an operator sees it."""

    id: UUID
    name: str
    created_at: datetime
    suspended_at: datetime | None


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as it is listed: all but what opens the door."""

    id: UUID
    name: str
    prefix: str
    test: bool
    created_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None


async def find_key_by_prefix(pool: Pool, prefix: str) -> StoredKey | None:
    """The key that is found by this prefix, unless it is revoked."""
    row = await pool.fetchrow(_KEY, prefix)
    return StoredKey(**row) if row else None


async def find_keys_by_prefix(pool: Pool, prefixes: Collection[str]) -> dict[str, StoredKey]:
    """Those of the keys found by these prefixes that are not revoked, by prefix."""
    rows = await pool.fetch(_ACTIVE_KEYS, list(prefixes))
    return {
        row["prefix"]: StoredKey(row["id"], row["store_id"], row["digest"], row["suspended"], row["is_test"])
        for row in rows
    }


async def note_use(pool: Pool, used: Mapping[UUID, datetime]) -> None:
    """When these keys were last used."""
    # In the order of ids, so that two processes wait for each other instead of locking each other out.
    ids = sorted(used)
    await pool.execute(_NOTE_USE, ids, [used[id_] for id_ in ids])


async def insert(connection: Connection, id_: UUID, name: str) -> None:
    """A new store."""
    await connection.execute(_INSERT, id_, name)


async def lock(connection: Connection, id_: UUID) -> bool:
    """Holds the store while its keys are counted; False when there is none."""
    return bool(await connection.fetchval(_LOCK, id_))


async def list_page(pool: Pool, *, before: UUID | None, limit: int) -> list[Store]:
    """Stores, newest first."""
    return [Store(**row) for row in await pool.fetch(_PAGE, before, limit)]


async def find(pool: Pool, id_: UUID) -> Store | None:
    """One store."""
    row = await pool.fetchrow(_ONE, id_)
    return Store(**row) if row else None


async def set_suspended(connection: Connection, id_: UUID, *, suspended: bool) -> Store | None:
    """Suspends a store or restores it; None when there is none."""
    row = await connection.fetchrow(_SET_SUSPENDED, id_, suspended)
    return Store(**row) if row else None


async def insert_key(connection: Connection, key: StoredKey, prefix: str, name: str) -> bool:
    """Gives the (locked) store a further key; False when it has as many of its mode as it may have."""
    if await connection.fetchval(_KEYS_ACTIVE, key.store_id, key.is_test) >= KEYS_ACTIVE_MAX:
        return False
    await connection.execute(_INSERT_KEY, key.id, key.store_id, prefix, key.digest, name, key.is_test)
    return True


async def list_keys(pool: Pool, store_id: UUID, *, before: UUID | None, limit: int) -> list[ApiKey]:
    """A store's keys, newest first, the revoked ones too."""
    return [ApiKey(**row) for row in await pool.fetch(_KEYS, store_id, before, limit)]


async def find_prefixes(pool: Pool, ids: Collection[UUID]) -> dict[UUID, str]:
    """What these keys are recognised by: the part between ``atl_`` and the secret."""
    return {row["id"]: row["prefix"] for row in await pool.fetch(_PREFIXES, list(ids))} if ids else {}


async def revoke_key(connection: Connection, store_id: UUID, key: str) -> ApiKey | None:
    """Ends a key, named by its id or its prefix; None when the store has no such key."""
    row = await connection.fetchrow(_REVOKE_KEY, store_id, key)
    return ApiKey(**row) if row else None

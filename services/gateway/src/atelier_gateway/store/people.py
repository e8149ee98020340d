"""SQL of identity: stores and their keys, users, workspaces and who belongs to them."""

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

import asyncpg

from atelier_gateway.identity.api_keys import StoredKey
from atelier_messaging.database import Connection, Pool

KEYS_ACTIVE_MAX = 2

_KEY = "SELECT id, store_id, digest FROM api_keys WHERE prefix = $1 AND revoked_at IS NULL"
_USER = "SELECT id, disabled_at IS NOT NULL AS disabled FROM users WHERE subject = $1"
_SUBJECT = "SELECT subject FROM users WHERE id = $1"
_MEMBER = "SELECT true FROM workspace_members WHERE workspace_id = $1 AND user_id = $2"
_INSERT_STORE = "INSERT INTO stores (id, name) VALUES ($1, $2)"
_LOCK_STORE = "SELECT true FROM stores WHERE id = $1 FOR UPDATE"
_KEYS_ACTIVE = "SELECT count(*) FROM api_keys WHERE store_id = $1 AND revoked_at IS NULL"
_INSERT_KEY = "INSERT INTO api_keys (id, store_id, prefix, digest) VALUES ($1, $2, $3, $4)"
_REVOKE_KEY = """
UPDATE api_keys SET revoked_at = COALESCE(revoked_at, now()) WHERE id = $1 AND store_id = $2 RETURNING id
"""
_INSERT_USER = "INSERT INTO users (id, email, subject) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING RETURNING id"
_SET_DISABLED = """
UPDATE users SET disabled_at = CASE WHEN $2 THEN COALESCE(disabled_at, now()) END WHERE id = $1 RETURNING subject
"""
_INSERT_WORKSPACE = "INSERT INTO workspaces (id, name) VALUES ($1, $2)"
_INSERT_MEMBERS = "INSERT INTO workspace_members (workspace_id, user_id) SELECT $1, unnest($2::uuid[])"
_EXISTS = {
    "store": "SELECT true FROM stores WHERE id = $1",
    "user": "SELECT true FROM users WHERE id = $1",
    "workspace": "SELECT true FROM workspaces WHERE id = $1",
}


@dataclass(frozen=True, slots=True)
class User:
    """A person as far as a request is concerned."""

    id: UUID
    disabled: bool


async def key_by_prefix(pool: Pool, prefix: str) -> StoredKey | None:
    """The key that is found by this prefix, unless it is revoked."""
    row = await pool.fetchrow(_KEY, prefix)
    return StoredKey(row["id"], row["store_id"], row["digest"]) if row else None


async def user_by_subject(pool: Pool, subject: str) -> User | None:
    """The user whom their issuer calls so."""
    row = await pool.fetchrow(_USER, subject)
    return User(row["id"], row["disabled"]) if row else None


async def subject_of(pool: Pool, user_id: UUID) -> str | None:
    """What the user's issuer calls them."""
    subject: str | None = await pool.fetchval(_SUBJECT, user_id)
    return subject


async def is_member(pool: Pool, workspace_id: UUID, user_id: UUID) -> bool:
    """Whether the user may act for the workspace."""
    return bool(await pool.fetchval(_MEMBER, workspace_id, user_id))


async def exists(pool: Pool, kind: str, id_: UUID) -> bool:
    """Whether there is such a store, user or workspace."""
    return bool(await pool.fetchval(_EXISTS[kind], id_)) if kind in _EXISTS else False


async def insert_store(connection: Connection, id_: UUID, name: str) -> None:
    """A new store."""
    await connection.execute(_INSERT_STORE, id_, name)


async def lock_store(connection: Connection, id_: UUID) -> bool:
    """Holds the store while its keys are counted; False when there is none."""
    return bool(await connection.fetchval(_LOCK_STORE, id_))


async def insert_key(connection: Connection, key: StoredKey, prefix: str) -> bool:
    """Gives the (locked) store a further key; False when it has as many as it may have."""
    if await connection.fetchval(_KEYS_ACTIVE, key.store_id) >= KEYS_ACTIVE_MAX:
        return False
    await connection.execute(_INSERT_KEY, key.id, key.store_id, prefix, key.digest)
    return True


async def revoke_key(connection: Connection, store_id: UUID, key_id: UUID) -> bool:
    """Ends a key; False when the store has no such key."""
    return await connection.fetchval(_REVOKE_KEY, key_id, store_id) is not None


async def insert_user(connection: Connection, id_: UUID, email: str, subject: str) -> bool:
    """A new user; False when the email or the subject is taken."""
    return await connection.fetchval(_INSERT_USER, id_, email, subject) is not None


async def set_disabled(connection: Connection, id_: UUID, *, disabled: bool) -> str | None:
    """Disables or enables a user; answers their subject, None when there is no such user."""
    subject: str | None = await connection.fetchval(_SET_DISABLED, id_, disabled)
    return subject


async def insert_workspace(connection: Connection, id_: UUID, name: str, members: Collection[UUID]) -> bool:
    """A new workspace; False when a member is unknown, and then the transaction cannot go on."""
    await connection.execute(_INSERT_WORKSPACE, id_, name)
    try:
        await connection.execute(_INSERT_MEMBERS, id_, sorted(members))
    except asyncpg.ForeignKeyViolationError:
        return False
    return True

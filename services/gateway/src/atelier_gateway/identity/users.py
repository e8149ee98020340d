"""SQL of identity: users, workspaces and who belongs to them; stores have ``stores.py``."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg

from atelier_messaging.database import Connection, Pool

_USER = "SELECT id, disabled_at IS NOT NULL AS disabled FROM users WHERE subject = $1"
_SUBJECT = "SELECT subject FROM users WHERE id = $1"
_MEMBER = "SELECT true FROM workspace_members WHERE workspace_id = $1 AND user_id = $2"
_INSERT_USER = "INSERT INTO users (id, email, subject) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING RETURNING id"
_SET_DISABLED = """
UPDATE users SET disabled_at = CASE WHEN $2 THEN COALESCE(disabled_at, now()) END WHERE id = $1 RETURNING subject
"""
_INSERT_WORKSPACE = "INSERT INTO workspaces (id, name) VALUES ($1, $2)"
_INSERT_MEMBERS = "INSERT INTO workspace_members (workspace_id, user_id) SELECT $1, unnest($2::uuid[])"
_USERS = """
SELECT id, email, created_at, disabled_at FROM users
WHERE ($1::text IS NULL OR lower(email) = lower($1)) AND ($2::uuid IS NULL OR id < $2) ORDER BY id DESC LIMIT $3
"""
_PERSON = "SELECT id, email, created_at, disabled_at FROM users WHERE id = $1"
_WORKSPACE = "SELECT id, name, created_at FROM workspaces WHERE id = $1"
_MEMBERS = """
SELECT u.id, u.email, u.created_at, u.disabled_at FROM workspace_members m JOIN users u ON u.id = m.user_id
WHERE m.workspace_id = $1 AND ($2::uuid IS NULL OR u.id < $2) ORDER BY u.id DESC LIMIT $3
"""
_WORKSPACES = """
SELECT id, name, created_at FROM workspaces w
WHERE ($1::uuid IS NULL OR EXISTS (SELECT FROM workspace_members m WHERE m.workspace_id = w.id AND m.user_id = $1))
  AND ($2::uuid IS NULL OR id < $2)
ORDER BY id DESC LIMIT $3
"""
_ADD_MEMBER = "INSERT INTO workspace_members (workspace_id, user_id) VALUES ($1, $2) ON CONFLICT DO NOTHING"
_REMOVE_MEMBER = "DELETE FROM workspace_members WHERE workspace_id = $1 AND user_id = $2 RETURNING user_id"
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


@dataclass(frozen=True, slots=True)
class Person:
    """A user as an operator sees them."""

    id: UUID
    email: str
    created_at: datetime
    disabled_at: datetime | None


@dataclass(frozen=True, slots=True)
class Workspace:
    """A workspace as an operator sees it."""

    id: UUID
    name: str
    created_at: datetime


async def user_by_subject(pool: Pool, subject: str) -> User | None:
    """The user with this subject at this issuer."""
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


async def users(pool: Pool, *, email: str | None, before: UUID | None, limit: int) -> list[Person]:
    """Users, newest first; with an email (in whatever case) the one who has it."""
    return [Person(**row) for row in await pool.fetch(_USERS, email, before, limit)]


async def find_person(pool: Pool, id_: UUID) -> Person | None:
    """One user as an operator sees them."""
    row = await pool.fetchrow(_PERSON, id_)
    return Person(**row) if row else None


async def find_workspace(pool: Pool, id_: UUID) -> Workspace | None:
    """One workspace."""
    row = await pool.fetchrow(_WORKSPACE, id_)
    return Workspace(**row) if row else None


async def members(pool: Pool, workspace_id: UUID, *, before: UUID | None, limit: int) -> list[Person]:
    """Who may act for a workspace, the newest users first."""
    return [Person(**row) for row in await pool.fetch(_MEMBERS, workspace_id, before, limit)]


async def workspaces(pool: Pool, *, member: UUID | None, before: UUID | None, limit: int) -> list[Workspace]:
    """Workspaces, newest first; with a member those that they belong to."""
    return [Workspace(**row) for row in await pool.fetch(_WORKSPACES, member, before, limit)]


async def add_member(connection: Connection, workspace_id: UUID, user_id: UUID) -> bool:
    """Lets a user act for a workspace; False when one of them is unknown, and then the transaction cannot go on."""
    try:
        await connection.execute(_ADD_MEMBER, workspace_id, user_id)
    except asyncpg.ForeignKeyViolationError:
        return False
    return True


async def remove_member(connection: Connection, workspace_id: UUID, user_id: UUID) -> bool:
    """Takes a member out of a workspace; False when they were not in it."""
    return await connection.fetchval(_REMOVE_MEMBER, workspace_id, user_id) is not None

"""SQL of operators: who they are, their roles, and what their tokens are checked with."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from atelier_messaging.database import Connection, Pool

Role = Literal["viewer", "operator", "admin"]
FIRST = UUID("00000000-0000-7000-8000-000000000001")
"""The operator whose token is the setting ``ATELIER_ADMIN_TOKEN``."""
FIRST_NAME, FIRST_PREFIX = "first", "first"

_COLUMNS = "id, name, role, prefix, created_at, last_used_at, revoked_at"
_BY_PREFIX = "SELECT id, name, role, digest FROM operators WHERE prefix = $1 AND revoked_at IS NULL"
_ACTIVE_BY_ID = "SELECT id, name, role, digest FROM operators WHERE id = $1 AND revoked_at IS NULL"
# Another value of the setting is another token, and whoever can set it lets the first operator in again.
_SET_FIRST = """
INSERT INTO operators AS o (id, name, role, prefix, digest) VALUES ($1, $2, 'admin', $3, $4)
ON CONFLICT (id) DO UPDATE SET digest = excluded.digest, role = 'admin', revoked_at = NULL
WHERE o.digest <> excluded.digest
"""
_END_FIRST = "UPDATE operators SET revoked_at = COALESCE(revoked_at, now()) WHERE id = $1"
_INSERT = f"INSERT INTO operators (id, name, role, prefix, digest) VALUES ($1, $2, $3, $4, $5) RETURNING {_COLUMNS}"  # noqa: S608 - constants only
_PAGE = f"SELECT {_COLUMNS} FROM operators WHERE $1::uuid IS NULL OR id < $1 ORDER BY id DESC LIMIT $2"  # noqa: S608 - constants only
_ONE = f"SELECT {_COLUMNS} FROM operators WHERE id = $1"  # noqa: S608 - constants only
# In the order of ids, so that two acts at once wait for each other.
_LOCK_ADMINS = "SELECT id FROM operators WHERE role = 'admin' AND revoked_at IS NULL ORDER BY id FOR UPDATE"
_SET_ROLE = f"UPDATE operators SET role = $2 WHERE id = $1 AND revoked_at IS NULL RETURNING {_COLUMNS}"  # noqa: S608 - constants only
_SET_TOKEN = f"""
UPDATE operators SET prefix = $2, digest = $3 WHERE id = $1 AND revoked_at IS NULL RETURNING {_COLUMNS}
"""  # noqa: S608 - constants only
_REVOKE = f"UPDATE operators SET revoked_at = COALESCE(revoked_at, now()) WHERE id = $1 RETURNING {_COLUMNS}"  # noqa: S608 - constants only
_NOTE_USE = """
UPDATE operators o SET last_used_at = GREATEST(o.last_used_at, u.at)
FROM unnest($1::uuid[], $2::timestamptz[]) AS u(id, at) WHERE o.id = u.id
"""


@dataclass(frozen=True, slots=True)
class StoredOperator:
    """The operator of a token's prefix, as stored."""

    id: UUID
    name: str
    role: Role
    digest: bytes


@dataclass(frozen=True, slots=True)
class Operator:
    """An operator as they are listed."""

    id: UUID
    name: str
    role: Role
    prefix: str
    created_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None


async def find_by_prefix(pool: Pool, prefix: str) -> StoredOperator | None:
    """The operator whose token has this prefix, unless it is revoked."""
    row = await pool.fetchrow(_BY_PREFIX, prefix)
    return StoredOperator(**row) if row else None


async def find_active(pool: Pool, id_: UUID) -> StoredOperator | None:
    """The operator with this id, unless it is revoked."""
    row = await pool.fetchrow(_ACTIVE_BY_ID, id_)
    return StoredOperator(**row) if row else None


async def set_first(pool: Pool, digest: bytes | None) -> None:
    """The first operator has this token; None: has none any more."""
    if digest is None:
        await pool.execute(_END_FIRST, FIRST)
    else:
        await pool.execute(_SET_FIRST, FIRST, FIRST_NAME, FIRST_PREFIX, digest)


async def note_use(pool: Pool, used: Mapping[UUID, datetime]) -> None:
    """When these operators' tokens were last used."""
    ids = sorted(used)
    await pool.execute(_NOTE_USE, ids, [used[id_] for id_ in ids])


async def insert(connection: Connection, new: StoredOperator, prefix: str) -> Operator:
    """A new operator."""
    row = await connection.fetchrow(_INSERT, new.id, new.name, new.role, prefix, new.digest)
    assert row is not None, "it was just written"
    return Operator(**row)


async def list_page(pool: Pool, *, before: UUID | None, limit: int) -> list[Operator]:
    """Operators, newest first, the revoked ones too."""
    return [Operator(**row) for row in await pool.fetch(_PAGE, before, limit)]


async def find(pool: Pool, id_: UUID) -> Operator | None:
    """One operator."""
    row = await pool.fetchrow(_ONE, id_)
    return Operator(**row) if row else None


async def lock_admins(connection: Connection) -> set[UUID]:
    """Holds the active admins until the transaction ends, so that two acts cannot remove the last two of them."""
    return {row["id"] for row in await connection.fetch(_LOCK_ADMINS)}


async def set_role(connection: Connection, id_: UUID, role: Role) -> Operator | None:
    """Gives an active operator another role; None when there is none."""
    row = await connection.fetchrow(_SET_ROLE, id_, role)
    return Operator(**row) if row else None


async def set_token(connection: Connection, id_: UUID, prefix: str, digest: bytes) -> Operator | None:
    """Gives an active operator another token instead of theirs; None when there is none."""
    row = await connection.fetchrow(_SET_TOKEN, id_, prefix, digest)
    return Operator(**row) if row else None


async def revoke(connection: Connection, id_: UUID) -> Operator | None:
    """Ends an operator's access; None when there is no such operator."""
    row = await connection.fetchrow(_REVOKE, id_)
    return Operator(**row) if row else None

"""SQL of the subscriptions."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from atelier_messaging.database import Connection, Pool

_COLUMNS = "name, types, position, paused_at, created_at"
_LIST = f"SELECT {_COLUMNS} FROM subscriptions ORDER BY name"  # noqa: S608 - constants only
_FIND = f"SELECT {_COLUMNS} FROM subscriptions WHERE name = $1"  # noqa: S608 - constants only
_LOCK = f"{_FIND} AND paused_at IS NULL FOR UPDATE SKIP LOCKED"
_INSERT = f"""
INSERT INTO subscriptions (name, types, position) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING RETURNING {_COLUMNS}
"""  # noqa: S608 - constants only
_MOVE = "UPDATE subscriptions SET position = $2 WHERE name = $1"
_REWIND = f"UPDATE subscriptions SET position = $2 WHERE name = $1 RETURNING {_COLUMNS}"  # noqa: S608 - constants only
_PAUSE = f"""
UPDATE subscriptions SET paused_at = CASE WHEN $2 THEN COALESCE(paused_at, now()) END WHERE name = $1
RETURNING {_COLUMNS}
"""  # noqa: S608 - constants only
_DELETE = "DELETE FROM subscriptions WHERE name = $1 RETURNING name"


@dataclass(frozen=True, slots=True)
class Subscription:
    """A subscriber of public events; no types means all. ``position`` is the last event that its queue received."""

    name: str
    types: tuple[str, ...]
    position: int
    paused_at: datetime | None
    created_at: datetime


async def list_all(pool: Pool) -> list[Subscription]:
    """All subscriptions by name."""
    return [_subscription(row) for row in await pool.fetch(_LIST)]


async def find(pool: Pool, name: str) -> Subscription | None:
    """The subscription of this name."""
    return _optional(await pool.fetchrow(_FIND, name))


async def lock_active(connection: Connection, name: str) -> Subscription | None:
    """The subscription, locked; None where it is paused, gone, or locked by another process."""
    return _optional(await connection.fetchrow(_LOCK, name))


async def insert(connection: Connection, name: str, types: Sequence[str], position: int) -> Subscription | None:
    """A new subscription; None where the name is taken."""
    return _optional(await connection.fetchrow(_INSERT, name, list(types), position))


async def move(connection: Connection, name: str, position: int) -> None:
    """Records that the queue has all events up to this position."""
    await connection.execute(_MOVE, name, position)


async def rewind(connection: Connection, name: str, position: int) -> Subscription | None:
    """Sends what comes after this position again; None where there is no such subscription."""
    return _optional(await connection.fetchrow(_REWIND, name, position))


async def set_paused(connection: Connection, name: str, *, paused: bool) -> Subscription | None:
    """Pauses or resumes it; None where there is no such subscription."""
    return _optional(await connection.fetchrow(_PAUSE, name, paused))


async def delete(connection: Connection, name: str) -> bool:
    """Deletes it; whether there was one."""
    return await connection.fetchval(_DELETE, name) is not None


def _optional(row: asyncpg.Record | None) -> Subscription | None:
    return _subscription(row) if row else None


def _subscription(row: asyncpg.Record) -> Subscription:
    return Subscription(row["name"], tuple(row["types"]), row["position"], row["paused_at"], row["created_at"])

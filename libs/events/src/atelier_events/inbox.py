"""Handling each event once, although it may be delivered more than once: its id is written down in the transaction of
what it leads to, in the subscriber's own database.

A message is acknowledged after that commit, so an event is never lost either.
"""

import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any
from uuid import UUID

from atelier_events.event_reader import NotAnEvent, ReceivedMessage, attributes_of

if TYPE_CHECKING:
    import asyncpg

PREPARE = """
CREATE TABLE IF NOT EXISTS handled_events (
    consumer TEXT NOT NULL, id TEXT NOT NULL, handled_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
    PRIMARY KEY (consumer, id)
)
"""
"""The table, for Postgres and SQLite; rows older than the longest replay can be deleted."""


@contextmanager
def once(connection: sqlite3.Connection, message: ReceivedMessage, *, consumer: str = "") -> Iterator[bool]:
    """A transaction on SQLite; yields whether this event is handled for the first time, else there is nothing to do.

    ``consumer`` distinguishes several handlers of one database. An error in the block rolls everything back.
    """
    id_ = _id_of(message)
    connection.execute(PREPARE)
    if not connection.in_transaction:
        connection.execute("BEGIN IMMEDIATE")
    with connection:
        marked = connection.execute(
            "INSERT INTO handled_events (consumer, id) VALUES (?, ?) ON CONFLICT DO NOTHING", (consumer, str(id_))
        )
        yield marked.rowcount == 1


@asynccontextmanager
async def once_in_postgres(
    pool: "asyncpg.Pool[Any]", message: ReceivedMessage, *, consumer: str = ""
) -> AsyncIterator["asyncpg.pool.PoolConnectionProxy[Any] | None"]:
    """A transaction on Postgres; yields its connection, or None where this event was handled before.

    The table must exist: run ``PREPARE`` once. ``consumer`` distinguishes several handlers of one database.
    """
    id_ = _id_of(message)
    async with pool.acquire() as connection, connection.transaction():
        marked = await connection.fetchval(
            "INSERT INTO handled_events (consumer, id) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING id",
            consumer,
            str(id_),
        )
        yield connection if marked else None


def _id_of(message: ReceivedMessage) -> UUID:
    try:
        return UUID(str(attributes_of(message).get("id")))
    except ValueError:
        raise NotAnEvent("the attribute id is absent or malformed") from None

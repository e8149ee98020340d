"""One cut across the four databases, without stopping: snapshots that are taken while no service can commit a message.

Whatever crosses from one service to another is a row in the sender's outbox and a mark in the receiver's inbox. A SHARE
lock on both tables waits for the transactions that have written there and holds the next ones back, while reads go on.
Once all four databases are locked, a snapshot of each is exported and the locks are released. So an effect that
one snapshot holds has its cause in the snapshot of the sender, and what the broker held at the cut was sent before it.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg

from atelier_local.errors import StackError

PAUSE_S_MAX = 3.0
"""Seconds for which commits are held back at most, all databases together; longer than ``deadlock_timeout``, after
which a vacuum makes room."""
TRIES = 8
REST_S = 1.0
CONNECT_S_MAX = 10.0
_LOCK = "LOCK TABLE outbox, inbox IN SHARE MODE"

Connection = asyncpg.Connection
Databases = Mapping[str, str]
"""The address of each service's database, as a role that reads every row and may lock outbox and inbox."""


@dataclass(frozen=True)
class Cut:
    """Snapshots of one moment, open until the block ends. ``connections`` read in them."""

    at: datetime
    snapshots: Mapping[str, str]
    connections: "Mapping[str, Connection[Any]]"
    pause_ms: int
    """How long commits were held back."""


@asynccontextmanager
async def open_cut(databases: Databases) -> AsyncIterator[Cut]:
    """Takes the cut and keeps it open for ``pg_dump``. Raises StackError where a database cannot be reached, read or
    locked."""
    async with AsyncExitStack() as opened:
        readers = {service: await _connect(opened, service, url) for service, url in databases.items()}
        lockers = {service: await _connect(opened, service, url) for service, url in databases.items()}
        busy: StackError | None = None
        for _ in range(TRIES):
            try:
                cut = await _take(opened, readers, lockers)
            except _Busy as error:
                busy = error
                await asyncio.sleep(REST_S)
                continue
            yield cut
            return
        raise StackError(f"{busy}, {TRIES} times; nothing was saved, try again when it is quieter")


class _Busy(StackError):
    """A transaction kept a table for longer than commits may be held back."""


async def _connect(opened: AsyncExitStack, service: str, url: str) -> "Connection[Any]":
    try:
        connection = await asyncpg.connect(url, timeout=CONNECT_S_MAX)
    except (OSError, TimeoutError, asyncpg.PostgresError, ValueError) as error:
        raise StackError(f"the database {service} cannot be reached: {error or type(error).__name__}") from None
    opened.push_async_callback(connection.close)
    return connection


async def _take(
    opened: AsyncExitStack, readers: "Mapping[str, Connection[Any]]", lockers: "Mapping[str, Connection[Any]]"
) -> Cut:
    began = time.monotonic()
    async with AsyncExitStack() as locked:
        for service, connection in lockers.items():
            await locked.enter_async_context(connection.transaction())
            await _lock(service, connection, PAUSE_S_MAX - (time.monotonic() - began))
        snapshots: dict[str, str] = {}
        for service, connection in readers.items():
            await opened.enter_async_context(connection.transaction(isolation="repeatable_read", readonly=True))
            snapshots[service] = await connection.fetchval("SELECT pg_export_snapshot()")
        at: datetime = await lockers["billing"].fetchval("SELECT clock_timestamp()")
    return Cut(at, snapshots, readers, round((time.monotonic() - began) * 1000))


async def _lock(service: str, connection: "Connection[Any]", seconds: float) -> None:
    try:
        await connection.execute(f"SET LOCAL lock_timeout = {max(1, int(seconds * 1000))}")
        await connection.execute(_LOCK)
    except asyncpg.LockNotAvailableError:
        raise _Busy(f"a transaction in the database {service} kept outbox or inbox for {PAUSE_S_MAX:g} s") from None
    except asyncpg.InsufficientPrivilegeError as error:
        raise StackError(f"the role for {service} may not lock outbox and inbox: {error}") from None
    except asyncpg.UndefinedTableError:
        raise StackError(f"the database {service} has no tables of Atelier; nothing to save") from None

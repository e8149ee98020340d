"""Runs a service's Alembic migrations beside its running processes. Imported only by the ``migrate`` command, so
services do not carry it.

A statement that waits for a lock lets everybody who comes later wait, too. So each migration is a transaction of its
own, none of its statements waits longer than ``LOCK_WAIT_MS``, and one that got no lock is undone and tried again.
Indexes are built and checks replaced without locking anybody out: ``build_index``, ``add_check``, ``replace_check``.
"""

import asyncio
import logging
import random
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from alembic import command, context, op
from alembic.config import Config
from sqlalchemy import ColumnElement, Connection, MetaData, pool, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from atelier_messaging.database_hosts import DatabaseHosts

MIGRATION_LOCK = 7_283_300
"""Of the advisory lock under which one process at a time migrates a database; the others then find nothing to do."""
LOCK_WAIT_MS = 500
"""Less than Postgres' ``deadlock_timeout`` of 1 s: in a deadlock with a service it is the migration that gives way."""
PAUSE_S = (0.2, 1.0)
"""Between two tries, by chance within: what ran into the lock gets its turn, and no rhythm is met again and again."""
PATIENCE_S = 600.0
"""For locks, and for another process that migrates. Then it fails, with what is done so far kept."""
LOCK_NOT_AVAILABLE, DEADLOCK = "55P03", "40P01"

logger = logging.getLogger(__name__)


def configuration(directory: Path, url: str) -> Config:
    """Alembic's settings for one service: where its scripts lie, which database they change."""
    config = Config()
    config.set_main_option("script_location", str(directory))
    config.attributes["url"] = url
    return config


def upgrade(directory: Path, url: str, *, patience_s: float = PATIENCE_S) -> None:
    """Brings the database to the newest version. ``url`` is the owner's, of one server or several. Raises the driver's
    error where a lock was not to be had for ``patience_s`` seconds; it can be run again then."""
    until = time.monotonic() + patience_s
    while True:
        try:
            command.upgrade(configuration(directory, url), "heads")
        except DBAPIError as error:
            if not _has_met_a_lock(error) or time.monotonic() > until:
                raise
            logger.warning("migration failed, its lock is held by others, tried again: %s", _first_line(error))
        else:
            return
        time.sleep(random.uniform(*PAUSE_S))


def build_index(name: str, table: str, columns: Sequence[str | ColumnElement[Any]], **options: Any) -> None:
    """Builds an index while the table is written to. It runs outside a transaction: what stands before it in a
    migration is committed, and so must bear to be done again. What an interrupted one left is removed. Not for a
    partitioned table."""
    with op.get_context().autocommit_block():
        # It waits for transactions that are open, and nothing waits behind it.
        op.execute("SET lock_timeout = 0")
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
        op.create_index(name, table, columns, postgresql_concurrently=True, **options)
        op.execute(_LIMIT_WAITING)


def add_check(table: str, name: str, condition: str) -> None:
    """Adds a check to a table with rows: they are read under a lock that lets them be read and written. Outside a
    transaction, as ``build_index``."""
    with op.get_context().autocommit_block():
        op.execute(f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {name}")
        op.execute(f"ALTER TABLE {table} ADD CONSTRAINT {name} CHECK ({condition}) NOT VALID")
        op.execute(f"ALTER TABLE {table} VALIDATE CONSTRAINT {name}")


def replace_check(table: str, name: str, condition: str) -> None:
    """Gives a check another condition, as ``add_check``; until then the earlier one holds."""
    add_check(table, f"{name}_next", condition)
    op.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
    op.execute(f"ALTER TABLE {table} RENAME CONSTRAINT {name}_next TO {name}")


_LIMIT_WAITING = f"SET lock_timeout = '{LOCK_WAIT_MS}ms'"


def run(metadata: MetaData) -> None:
    """What every service's ``migrations/env.py`` does."""
    asyncio.run(_run(context.config.attributes["url"], metadata))


async def _run(url: str, metadata: MetaData) -> None:
    hosts = DatabaseHosts(url)
    engine = create_async_engine("postgresql+asyncpg://", async_creator=hosts.connect, poolclass=pool.NullPool)
    try:
        async with engine.connect() as connection:
            await _wait_for_others(connection)
            await connection.execute(text(_LIMIT_WAITING))
            await connection.commit()
            await connection.run_sync(_migrate, metadata)
    finally:
        await engine.dispose()


async def _wait_for_others(connection: AsyncConnection) -> None:
    """Until this connection is the one that migrates. It asks again and again: an index that the other one builds would
    wait for a statement that waits for it."""
    until = time.monotonic() + PATIENCE_S
    while not await connection.scalar(text("SELECT pg_try_advisory_lock(:lock)"), {"lock": MIGRATION_LOCK}):
        await connection.rollback()
        if time.monotonic() > until:
            raise TimeoutError(f"another process has been migrating this database for {PATIENCE_S:.0f} s")
        await asyncio.sleep(random.uniform(*PAUSE_S))


def _migrate(connection: Connection, metadata: MetaData) -> None:
    context.configure(
        connection=connection, target_metadata=metadata, compare_type=True, transactional_ddl=True,
        transaction_per_migration=True,
    )  # fmt: skip
    with context.begin_transaction():
        context.run_migrations()


def _has_met_a_lock(error: DBAPIError) -> bool:
    return getattr(error.orig, "sqlstate", None) in (LOCK_NOT_AVAILABLE, DEADLOCK)


def _first_line(error: DBAPIError) -> str:
    return " ".join((error.statement or str(error.orig)).split())[:120]

"""Runs a service's Alembic migrations. Imported only by the ``migrate`` command, so services do not carry it."""

import asyncio
from pathlib import Path

from alembic import command, context
from alembic.config import Config
from sqlalchemy import Connection, MetaData, pool, text
from sqlalchemy.ext.asyncio import create_async_engine

from atelier_messaging.database_hosts import DatabaseHosts

MIGRATION_LOCK = 7_283_300
"""Of the advisory lock under which one process at a time migrates a database; the others then find nothing to do."""


def configuration(directory: Path, url: str) -> Config:
    """Alembic's settings for one service: where its scripts lie, which database they change."""
    config = Config()
    config.set_main_option("script_location", str(directory))
    config.attributes["url"] = url
    return config


def upgrade(directory: Path, url: str) -> None:
    """Brings the database to the newest version. ``url`` is the owner's, of one server or several."""
    command.upgrade(configuration(directory, url), "heads")


def run(metadata: MetaData) -> None:
    """What every service's ``migrations/env.py`` does."""
    asyncio.run(_run(context.config.attributes["url"], metadata))


async def _run(url: str, metadata: MetaData) -> None:
    hosts = DatabaseHosts(url)
    engine = create_async_engine("postgresql+asyncpg://", async_creator=hosts.connect, poolclass=pool.NullPool)
    async with engine.begin() as connection:
        await connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": MIGRATION_LOCK})
        await connection.run_sync(_migrate, metadata)
    await engine.dispose()


def _migrate(connection: Connection, metadata: MetaData) -> None:
    context.configure(connection=connection, target_metadata=metadata, compare_type=True, transactional_ddl=True)
    with context.begin_transaction():
        context.run_migrations()

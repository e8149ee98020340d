"""Migrations run beside services that hold locks: they give way, try again, and leave nothing half done."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import pytest
from sqlalchemy.exc import DBAPIError

from atelier_messaging import migrations
from atelier_messaging.testing import becomes, count_waiting

pytestmark = pytest.mark.stack
MAX_S = 60
ENV = "from sqlmodel import SQLModel\n\nfrom atelier_messaging.migrations import run\n\nrun(SQLModel.metadata)\n"
REVISION = """
from alembic import op
from atelier_messaging.migrations import add_check, build_index, replace_check

revision = {name!r}
down_revision = {before!r}


def upgrade() -> None:
{body}
"""
TABLES = ('op.execute("CREATE TABLE things (id int, size int)")', 'op.execute("CREATE TABLE others (id int)")')


@pytest.fixture
async def database(server_urls: tuple[str, str]) -> AsyncIterator[str]:
    """URL of an empty database, as its owner."""
    name = f"empty_{uuid4().hex[:12]}"
    admin = await asyncpg.connect(server_urls[1])
    await admin.execute(f"CREATE DATABASE {name}")
    yield urlsplit(server_urls[1])._replace(path=f"/{name}").geturl()
    await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await admin.close()


@pytest.fixture
async def service(database: str) -> AsyncIterator["asyncpg.Connection[Any]"]:
    """A connection of a service to that database."""
    connection = await asyncpg.connect(database)
    yield connection
    await connection.close()


def write(folder: Path, *bodies: tuple[str, ...]) -> Path:
    """Migrations of a service, one after another."""
    versions = folder / "versions"
    versions.mkdir(exist_ok=True)
    (folder / "env.py").write_text(ENV)
    for number, body in enumerate(bodies):
        before = f"{number - 1:04}" if number else None
        lines = "\n".join(f"    {line}" for line in body)
        (versions / f"{number:04}.py").write_text(REVISION.format(name=f"{number:04}", before=before, body=lines))
    return folder


async def upgrade(folder: Path, url: str, *, patience_s: float = MAX_S) -> None:
    """As the ``migrate`` command of a service."""
    await asyncio.to_thread(migrations.upgrade, folder, url, patience_s=patience_s)


async def version(connection: "asyncpg.Connection[Any]") -> str:
    """The revision that the database has."""
    return str(await connection.fetchval("SELECT version_num FROM alembic_version"))


async def test_a_migration_that_meets_a_held_lock_lets_others_pass_and_ends_when_it_is_free(
    tmp_path: Path, database: str, service: "asyncpg.Connection[Any]"
) -> None:
    await upgrade(write(tmp_path, TABLES), database)
    folder = write(tmp_path, TABLES, ('op.execute("ALTER TABLE things ADD COLUMN told text")',))
    holder, other = await asyncpg.connect(database), await asyncpg.connect(database)
    held = holder.transaction()
    await held.start()
    await holder.fetch("SELECT FROM things")

    migrating = asyncio.create_task(upgrade(folder, database))
    await becomes(1, lambda: count_waiting(service))
    await other.execute(
        "INSERT INTO things VALUES (1, 1)", timeout=MAX_S
    )  # it waited behind the migration, which gave way
    assert not migrating.done()
    await held.commit()
    await migrating

    assert await version(service) == "0001"
    await holder.close()
    await other.close()


async def test_what_was_done_before_a_migration_that_gets_no_lock_is_kept(
    tmp_path: Path, database: str, service: "asyncpg.Connection[Any]"
) -> None:
    await upgrade(write(tmp_path, TABLES), database)
    alter = tuple(f'op.execute("ALTER TABLE {table} ADD COLUMN told text")' for table in ("others", "things"))
    folder = write(tmp_path, TABLES, ('op.execute("CREATE TABLE third (id int)")',), alter)
    async with service.transaction():
        await service.fetch("SELECT FROM things")
        with pytest.raises(DBAPIError, match="lock timeout"):
            await upgrade(folder, database, patience_s=0)

    assert await version(service) == "0001"
    columns = "SELECT count(*) FROM information_schema.columns WHERE column_name = 'told'"
    assert await service.fetchval(columns) == 0
    await upgrade(folder, database)
    assert await service.fetchval(columns) == 2


async def test_an_index_is_built_while_rows_are_written_and_anew_where_a_build_was_interrupted(
    tmp_path: Path, database: str, service: "asyncpg.Connection[Any]"
) -> None:
    await upgrade(write(tmp_path, TABLES), database)
    await service.execute("INSERT INTO things VALUES (1, 1), (2, 1)")
    with pytest.raises(asyncpg.UniqueViolationError):
        await service.execute("CREATE UNIQUE INDEX CONCURRENTLY things_size ON things (size)")  # leaves an invalid one
    body = ('build_index("things_size", "things", ["size"])', 'op.execute("CREATE TABLE third (id int)")')
    folder = write(tmp_path, TABLES, body)
    holder = await asyncpg.connect(database)
    held = holder.transaction()
    await held.start()
    await holder.execute("INSERT INTO things VALUES (3, 1)")

    migrating = asyncio.create_task(upgrade(folder, database))
    await becomes(1, lambda: count_waiting(service))
    await service.execute("INSERT INTO things VALUES (4, 1)")  # in an instant: nothing waits behind a build
    assert not migrating.done()
    await held.commit()
    await migrating

    assert await version(service) == "0001"
    assert await service.fetchval("SELECT indisvalid FROM pg_index WHERE indexrelid = 'things_size'::regclass")
    await holder.close()


async def test_a_replaced_check_holds_for_old_and_new_rows(
    tmp_path: Path, database: str, service: "asyncpg.Connection[Any]"
) -> None:
    narrow = ('add_check("things", "things_size", "size < 10")',)
    wide = ('replace_check("things", "things_size", "size < 20")',)
    await upgrade(write(tmp_path, TABLES, narrow, wide), database)

    await service.execute("INSERT INTO things VALUES (1, 15)")
    with pytest.raises(asyncpg.CheckViolationError, match="things_size"):
        await service.execute("INSERT INTO things VALUES (1, 25)")
    check = "SELECT conname, convalidated FROM pg_constraint WHERE conrelid = 'things'::regclass"
    assert [tuple(row) for row in await service.fetch(check)] == [("things_size", True)]

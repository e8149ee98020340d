"""Migrations meet each other: replicas that start at once on an empty database all find it migrated."""

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import pytest

import atelier_gateway

pytestmark = pytest.mark.stack
AT_ONCE = 4
MIGRATIONS = Path(atelier_gateway.__file__).parent / "migrations"
MIGRATE = "import sys, pathlib, atelier_messaging.migrations as m; m.upgrade(pathlib.Path(sys.argv[1]), sys.argv[2])"


@pytest.fixture
async def empty(server_urls: tuple[str, str]) -> AsyncIterator[str]:
    """URL of an empty database, as its owner."""
    name = f"empty_{uuid4().hex[:12]}"
    admin = await asyncpg.connect(server_urls[1])
    await admin.execute(f"CREATE DATABASE {name}")
    yield urlsplit(server_urls[1])._replace(path=f"/{name}").geturl()
    await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await admin.close()


async def test_several_migrations_at_once_on_an_empty_database_all_succeed(empty: str) -> None:
    outcomes = await asyncio.gather(*(_migrate(empty) for _ in range(AT_ONCE)))

    assert [code for code, _ in outcomes] == [0] * AT_ONCE, [said[-800:] for _, said in outcomes]


async def _migrate(url: str) -> tuple[int | None, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", MIGRATE, str(MIGRATIONS), url),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    return process.returncode, said.decode()

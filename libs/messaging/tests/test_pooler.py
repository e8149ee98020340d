"""Behind a pgbouncer in transaction mode: it works, or it is refused at the start with the reason."""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from atelier_messaging import UnitOfWork, database, testing
from atelier_messaging.database import Pool
from atelier_messaging.errors import is_outage
from atelier_messaging.outbox import Outbox
from atelier_messaging.pooler import UnfitPooler
from atelier_messaging.publisher import Publisher

pytestmark = pytest.mark.stack
AT_ONCE = 40


@pytest.fixture
def pooler_url(server_urls: tuple[str, str], tmp_path: Path) -> Iterator[str]:
    """URL of the database behind a pgbouncer that has three server connections."""
    with testing.pgbouncer(server_urls[1], tmp_path) as url:
        yield url


async def test_a_pooler_that_loses_prepared_statements_is_refused_with_the_reason(pooler_url: str) -> None:
    """Debian 12 has pgbouncer 1.18; from 1.21 on it carries them, and this connects."""
    if _version() >= (1, 21):
        pool = await database.connect(pooler_url)
        await pool.close()
        return
    with pytest.raises(UnfitPooler, match="ATELIER_DATABASE_STATEMENT_CACHE=0"):
        await database.connect(pooler_url)


async def test_without_a_statement_cache_many_at_once_work_on_few_servers(pooler_url: str) -> None:
    pool = await database.connect(pooler_url, statement_cache=0)
    await pool.execute("CREATE TABLE IF NOT EXISTS pooled (number int, told jsonb)")

    async def write(number: int) -> object:
        unit = UnitOfWork(pool, Outbox(pool, Publisher("amqp://nowhere.invalid/", "test")), "atelier/test")
        async with unit.pool.acquire() as connection, connection.transaction():
            await connection.execute("INSERT INTO pooled VALUES ($1, $2)", number, {"number": number})
        told = await pool.fetchval("SELECT told FROM pooled WHERE number = $1", number)
        return told["number"] == number and await pool.fetchval("SELECT $1::int * 2", number) == number * 2

    try:
        assert await asyncio.gather(*(write(number) for number in range(AT_ONCE))) == [True] * AT_ONCE
    finally:
        await pool.execute("DROP TABLE pooled")
        await pool.close()


async def test_planner_settings_that_the_pooler_takes_no_more_are_put_on_the_role(
    pooler_url: str, server_urls: tuple[str, str], tmp_path: Path
) -> None:
    await (await database.connect(pooler_url, statement_cache=0)).close()
    folder = tmp_path / "next"
    folder.mkdir()

    with testing.pgbouncer(server_urls[1], folder) as later:
        pool = await database.connect(later, statement_cache=0)
        planned = await _planner_settings(pool)
        await pool.execute("ALTER ROLE CURRENT_USER RESET jit")
        await pool.execute("ALTER ROLE CURRENT_USER RESET enable_bitmapscan")
        await pool.close()

    assert planned == ("off", "off")


async def test_a_statement_that_another_server_does_not_know_is_an_outage_and_no_dead_letter(
    pool: Pool,
) -> None:
    async with pool.acquire() as connection:
        await connection.fetchval("SELECT 1::int + $1::int", 1)
        await connection.execute("DEALLOCATE ALL")
        with pytest.raises(asyncpg.InvalidSQLStatementNameError) as lost:
            await connection.fetchval("SELECT 1::int + $1::int", 1)
    assert is_outage(lost.value)


async def test_directly_at_the_database_nothing_is_refused(pool: Pool) -> None:
    assert await _planner_settings(pool) == ("off", "off")


async def _planner_settings(pool: Pool) -> tuple[str, str]:
    row = await pool.fetchrow("SELECT current_setting('jit') AS jit, current_setting('enable_bitmapscan') AS bitmaps")
    assert row is not None
    return row["jit"], row["bitmaps"]


def _version() -> tuple[int, ...]:
    said = os.popen("/usr/sbin/pgbouncer --version").readline().split()[1]
    return tuple(int(part) for part in said.split("."))

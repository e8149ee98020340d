"""Behind a pgbouncer in transaction mode the sweep goes on: its lock is exclusive and is given back."""

import asyncio
from pathlib import Path

import pytest

from atelier_messaging import database, testing
from atelier_render import store

pytestmark = pytest.mark.stack
SWEEPS = 5


async def test_the_sweepers_lock_is_held_by_one_and_given_back_every_time(database_url: str, tmp_path: Path) -> None:
    with testing.pgbouncer(database_url, tmp_path) as bounced:
        pool = await database.connect(bounced, statement_cache=0)
        seen = []
        for _ in range(SWEEPS):
            async with store.only_sweeper(pool) as ours:
                # Others use the server connections meanwhile.
                await asyncio.gather(*(pool.fetchval("SELECT $1::int", number) for number in range(20)))
                async with store.only_sweeper(pool) as another:
                    seen.append((ours, another))
        await pool.close()

    assert seen == [(True, False)] * SWEEPS

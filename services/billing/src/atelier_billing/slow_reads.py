"""Reads that add up many rows, for reports: few at once and none for long, for the pool is there for the commands."""

import asyncio
from typing import Any

import asyncpg

from atelier_messaging.database import Pool

READS_AT_ONCE = 2
"""In one process, for each kind of report."""
STATEMENT_S_MAX = 20


class SlowReads:
    """Reads in turns."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._turns = asyncio.Semaphore(READS_AT_ONCE)

    async def fetch(self, sql: str, *given: Any) -> list[asyncpg.Record]:
        """The rows. Raises asyncpg.QueryCanceledError after ``STATEMENT_S_MAX`` seconds."""
        async with self._turns, self._pool.acquire() as connection, connection.transaction(readonly=True):
            await connection.execute(f"SET LOCAL statement_timeout = '{STATEMENT_S_MAX}s'")
            rows: list[asyncpg.Record] = await connection.fetch(sql, *given)
            return rows

"""The floor: what one process reaches with bare asyncpg and the four transactions every generation needs at least.

No bus, no HTTP, no saga log, no trace: accept, reserve, finish, capture; each committed durably, one statement after
the other, on tables of its own in the same Postgres.
"""

import asyncio
import time
from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import asyncpg

ACCOUNTS = 50

SCHEMA = """
DROP SCHEMA IF EXISTS bench_floor CASCADE;
CREATE SCHEMA bench_floor;
CREATE TABLE bench_floor.accounts (
  id int PRIMARY KEY, available bigint CHECK (available >= 0), held bigint, captured bigint);
CREATE TABLE bench_floor.generations (
  id uuid PRIMARY KEY, account int, state text, request jsonb, created_at timestamptz DEFAULT now());
CREATE TABLE bench_floor.holds (id uuid PRIMARY KEY, account int, credits bigint, state text);
CREATE TABLE bench_floor.postings (
  id uuid PRIMARY KEY, generation uuid, account int, debit text, credit text, credits bigint);
CREATE TABLE bench_floor.jobs (id uuid PRIMARY KEY, state text, result jsonb);
"""
REQUEST = '{"kind": "try_on", "prompt": "a summer dress in the park", "inputs": ["a", "b"]}'


async def _generation(connection: "asyncpg.pool.PoolConnectionProxy[Any]", id_: UUID, account: int) -> None:
    """The four transactions of one generation."""
    schema = "bench_floor"
    async with connection.transaction():
        await connection.execute(
            f"INSERT INTO {schema}.generations (id, account, state, request) VALUES ($1, $2, 'accepted', $3)",
            id_, account, REQUEST,
        )  # fmt: skip
    async with connection.transaction():
        await connection.execute(
            f"UPDATE {schema}.accounts SET available = available - 1, held = held + 1 WHERE id = $1", account
        )
        await connection.execute(f"INSERT INTO {schema}.holds VALUES ($1, $2, 1, 'open')", id_, account)
        await connection.execute(
            f"INSERT INTO {schema}.postings VALUES ($1, $2, $3, 'available', 'held', 1)", uuid4(), id_, account
        )
        await connection.execute(f"UPDATE {schema}.generations SET state = 'queued' WHERE id = $1", id_)
    async with connection.transaction():
        await connection.execute(f"INSERT INTO {schema}.jobs VALUES ($1, 'done', '{{}}')", id_)
        await connection.execute(f"UPDATE {schema}.generations SET state = 'capturing' WHERE id = $1", id_)
    async with connection.transaction():
        await connection.execute(
            f"UPDATE {schema}.accounts SET held = held - 1, captured = captured + 1 WHERE id = $1", account
        )
        await connection.execute(f"UPDATE {schema}.holds SET state = 'captured' WHERE id = $1", id_)
        await connection.execute(
            f"INSERT INTO {schema}.postings VALUES ($1, $2, $3, 'held', 'captured', 1)", uuid4(), id_, account
        )
        await connection.execute(f"UPDATE {schema}.generations SET state = 'succeeded' WHERE id = $1", id_)


async def measure(url: str, *, in_flight: int, generations: int) -> float:
    """Generations a second with ``in_flight`` at a time. ``url`` is of an owner, who may create a schema."""
    async with asyncpg.create_pool(url, min_size=in_flight, max_size=in_flight) as pool:
        await create_tables(pool)
        numbers = iter(range(generations))
        started = time.perf_counter()
        await asyncio.gather(*(_work(pool, numbers) for _ in range(in_flight)))
        took = time.perf_counter() - started
        await drop_tables(pool)
    return generations / took


async def create_tables(database: "asyncpg.Pool[Any] | asyncpg.Connection[Any]") -> None:
    """Fresh tables, and accounts with credits."""
    await database.execute(SCHEMA)
    await database.execute(
        "INSERT INTO bench_floor.accounts SELECT n, 1000000, 0, 0 FROM generate_series(0, $1::int - 1) n", ACCOUNTS
    )


async def drop_tables(database: "asyncpg.Pool[Any] | asyncpg.Connection[Any]") -> None:
    """Leaves nothing behind."""
    await database.execute("DROP SCHEMA bench_floor CASCADE")


async def _work(pool: "asyncpg.Pool[Any]", numbers: Iterator[int]) -> None:
    async with pool.acquire() as connection:
        for number in numbers:
            await _generation(connection, uuid4(), number % ACCOUNTS)

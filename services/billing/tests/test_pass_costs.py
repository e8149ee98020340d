"""What a pass of the log costs in statements, as counted: hardly more for hundreds of generations than for one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import pytest
from asyncpg.connection import LoggedQuery

from .receipts import capture, handle, owner_with, reserve
from .test_log import Log, open_log

pytestmark = pytest.mark.stack

PASS_MAX = 30
"""Statements of a pass that issues receipts, enters them and their postings, and signs a checkpoint; BEGIN and COMMIT
counted. Some of them read the tree, more the deeper it is."""
EMPTY_PASS_MAX = 18
"""The same of a pass that finds nothing to enter."""


@pytest.fixture
async def log(postgres: str, tmp_path: Path) -> AsyncIterator[Log]:
    async with open_log(postgres, tmp_path) as opened:
        yield opened


@asynccontextmanager
async def recorded(log: Log) -> AsyncIterator[list[str]]:
    """The statements that the service's connections execute in the block, without the driver's own about types."""
    statements: list[str] = []

    def record(logged: LoggedQuery) -> None:
        if "pg_type" not in logged.query and "'jit'" not in logged.query:
            statements.append(" ".join(logged.query.split()))

    pool = log.unit.pool
    connections = [await pool.acquire() for _ in range(pool.get_max_size())]
    for connection in connections:
        connection.add_query_logger(record)
        await pool.release(connection)
    yield statements
    connections = [await pool.acquire() for _ in range(pool.get_max_size())]
    for connection in connections:
        connection.remove_query_logger(record)
        await pool.release(connection)


async def _deliver(log: Log, generations: int) -> None:
    """Leaves receipts and postings that wait for the next pass."""
    owner, ids = await owner_with(log.unit, 100_000), [uuid4() for _ in range(generations)]
    await handle(log.unit, *(reserve(owner, id_) for id_ in ids))
    await handle(log.unit, *(capture(owner, id_) for id_ in ids))


async def _waiting(log: Log) -> int:
    waiting: int = await log.unit.pool.fetchval(
        "SELECT (SELECT count(*) FROM unlogged_entries) + (SELECT count(*) FROM unissued_receipts)"
    )
    return waiting


@pytest.mark.parametrize("generations", [1, 25, 400])
async def test_a_pass_costs_no_more_than_its_limit_however_many_ended(log: Log, generations: int) -> None:
    await _deliver(log, generations)
    assert await _waiting(log) > 2 * generations

    async with recorded(log) as statements:
        await log.sequencer.run_once()

    assert await _waiting(log) == 0
    assert any("INSERT INTO receipts" in statement for statement in statements)
    assert any("INSERT INTO log_checkpoints" in statement for statement in statements)
    assert len(statements) <= PASS_MAX, statements


async def test_a_pass_that_finds_nothing_writes_nothing(log: Log) -> None:
    await _deliver(log, 400)
    await log.sequencer.run_once()

    async with recorded(log) as statements:
        await log.sequencer.run_once()

    assert not any(statement.startswith(("INSERT", "UPDATE")) for statement in statements), statements
    assert len(statements) <= EMPTY_PASS_MAX, statements


async def test_a_receipt_that_the_pass_issues_is_entered_with_it_and_one_that_is_read_earlier_by_the_next(
    log: Log,
) -> None:
    owner, early, late = await owner_with(log.unit, 100), uuid4(), uuid4()
    await handle(log.unit, *(reserve(owner, id_) for id_ in (early, late)))
    await handle(log.unit, *(capture(owner, id_) for id_ in (early, late)))
    assert await log.issuer.find(early)
    waiting = await log.unit.pool.fetch("SELECT kind FROM unlogged_entries WHERE kind = 'receipt'")
    assert len(waiting) == 1
    await log.cheat(
        "CREATE FUNCTION refuse_row() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''it waits''; END'",
        "CREATE TRIGGER refused BEFORE INSERT ON unlogged_entries FOR EACH ROW EXECUTE FUNCTION refuse_row()",
    )

    await log.sequencer.run_once()

    kinds = await log.unit.pool.fetch("SELECT kind, count(*) FROM log_entries GROUP BY kind ORDER BY kind")
    assert [tuple(row) for row in kinds] == [("posting", 5), ("receipt", 2)]
    assert (await log.verify()).violations == []

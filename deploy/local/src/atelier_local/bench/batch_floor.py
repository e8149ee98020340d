"""The physical limit: the floor's four transactions for a whole batch of generations at once, on one connection."""

import time
from collections import Counter
from collections.abc import Sequence
from uuid import UUID, uuid4

import asyncpg

from atelier_local.bench.floor import ACCOUNTS, REQUEST, create_tables, drop_tables

_IDS = "unnest($1::uuid[], $2::int[]) AS batch(id, account)"
_ACCEPT = f"""
INSERT INTO bench_floor.generations (id, account, state, request) SELECT id, account, 'accepted', $3 FROM {_IDS}
"""
_MOVE = """
UPDATE bench_floor.accounts a SET available = available + available_by * n, held = held + held_by * n,
  captured = captured + captured_by * n
FROM unnest($1::int[], $2::bigint[]) AS moved(account, n), (SELECT $3::int AS available_by, $4::int AS held_by,
  $5::int AS captured_by) AS direction
WHERE a.id = moved.account
"""
_HOLD = f"INSERT INTO bench_floor.holds SELECT id, account, 1, 'open' FROM {_IDS}"
_POST = f"""
INSERT INTO bench_floor.postings SELECT gen_random_uuid(), id, account, $3, $4, 1 FROM {_IDS}
"""
_SET_STATE = "UPDATE bench_floor.generations SET state = $2 WHERE id = ANY($1::uuid[])"
_FINISH = "INSERT INTO bench_floor.jobs SELECT id, 'done', '{}' FROM unnest($1::uuid[]) AS id"
_CAPTURE = "UPDATE bench_floor.holds SET state = 'captured' WHERE id = ANY($1::uuid[])"


async def measure(url: str, *, batch: int, generations: int) -> float:
    """Generations a second, one batch after the other. ``url`` is of an owner, who may create a schema."""
    connection = await asyncpg.connect(url)
    try:
        await create_tables(connection)
        began = time.perf_counter()
        for start in range(0, generations, batch):
            numbers = range(start, min(start + batch, generations))
            await _run_batch(connection, [uuid4() for _ in numbers], [number % ACCOUNTS for number in numbers])
        took = time.perf_counter() - began
        await drop_tables(connection)
    finally:
        await connection.close()
    return generations / took


async def _run_batch(connection: asyncpg.Connection, ids: Sequence[UUID], accounts: Sequence[int]) -> None:
    each = Counter(accounts)
    moved = list(each), list(each.values())
    async with connection.transaction():
        await connection.execute(_ACCEPT, ids, accounts, REQUEST)
    async with connection.transaction():
        await connection.execute(_MOVE, *moved, -1, 1, 0)
        await connection.execute(_HOLD, ids, accounts)
        await connection.execute(_POST, ids, accounts, "available", "held")
        await connection.execute(_SET_STATE, ids, "queued")
    async with connection.transaction():
        await connection.execute(_FINISH, ids)
        await connection.execute(_SET_STATE, ids, "capturing")
    async with connection.transaction():
        await connection.execute(_MOVE, *moved, 0, -1, 1)
        await connection.execute(_CAPTURE, ids)
        await connection.execute(_POST, ids, accounts, "held", "captured")
        await connection.execute(_SET_STATE, ids, "succeeded")

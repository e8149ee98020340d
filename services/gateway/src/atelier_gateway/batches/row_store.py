"""SQL of the rows of batches: a row that has ended stays as it ended, whatever is reported later."""

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from atelier_gateway.batches.records import PlannedRow, Row, RowEnd, RowState
from atelier_messaging.database import Connection, Pool

_COLUMNS = "batch_id, number, custom_id, request, state, generation_id, attempt, price, credits, problem, ended_at"
_INSERT = """
INSERT INTO batch_rows (batch_id, number, custom_id, request, state, generation_id, price)
SELECT $1, number, custom_id, request::jsonb, 'waiting', generation_id, price
FROM unnest($2::int[], $3::text[], $4::text[], $5::uuid[], $6::int[]) AS n(number, custom_id, request, generation_id,
                                                                          price)
"""
_IN_STATE = f"SELECT {_COLUMNS} FROM batch_rows WHERE batch_id = $1 AND state = $2 ORDER BY number LIMIT $3"  # noqa: S608 - constants only
_SUBMITTED = """
UPDATE batch_rows r SET state = 'submitted' FROM unnest($2::int[], $3::uuid[]) AS n(number, generation_id)
WHERE r.batch_id = $1 AND r.number = n.number AND r.generation_id = n.generation_id AND r.state = 'waiting'
"""
# In any other case: the row has ended, it has another generation, its batch is deleted.
_UNWANTED = """
SELECT n.generation_id FROM unnest($2::int[], $3::uuid[]) AS n(number, generation_id)
WHERE NOT EXISTS (
    SELECT FROM batch_rows r
    WHERE r.batch_id = $1 AND r.number = n.number AND r.generation_id = n.generation_id
      AND r.state IN ('submitted', 'succeeded')
)
"""
_BEGUN = """
UPDATE batch_rows r SET state = 'submitted' FROM generations g
WHERE r.batch_id = $1 AND r.state = 'waiting' AND g.id = r.generation_id
"""
_ANEW = """
UPDATE batch_rows r SET state = 'waiting', generation_id = n.anew, attempt = r.attempt + 1
FROM unnest($2::int[], $3::uuid[], $4::uuid[]) AS n(number, generation_id, anew)
WHERE r.batch_id = $1 AND r.number = n.number AND r.generation_id = n.generation_id
  AND r.state IN ('waiting', 'submitted')
"""
_END = """
UPDATE batch_rows r
SET state = n.state, credits = n.credits, problem = n.problem::jsonb, ended_at = now(), request = NULL
FROM unnest($2::int[], $3::uuid[], $4::text[], $5::int[], $6::text[]) AS n(number, generation_id, state, credits,
                                                                          problem)
WHERE r.batch_id = $1 AND r.number = n.number AND r.generation_id = n.generation_id
  AND r.state IN ('waiting', 'submitted')
"""
_END_WAITING = """
UPDATE batch_rows r SET state = $2, problem = $3, ended_at = now(), request = NULL
WHERE batch_id = $1 AND state = 'waiting' AND ($4::int[] IS NULL OR price = ANY($4))
  AND NOT EXISTS (SELECT FROM generations g WHERE g.id = r.generation_id)
"""
_PAGE = f"""
SELECT {_COLUMNS} FROM batch_rows
WHERE batch_id = $1 AND number > $2 AND ($3::text[] IS NULL OR state = ANY($3)) ORDER BY number LIMIT $4
"""  # noqa: S608 - constants only


async def insert(connection: Connection, batch_id: UUID, rows: Sequence[PlannedRow], prices: Mapping[int, int]) -> None:
    """Writes the rows down, each with the id of the generation that it becomes; ``prices``: by index, which one."""
    numbers = range(1, len(rows) + 1)
    await connection.execute(
        _INSERT,
        batch_id,
        list(numbers),
        [row.custom_id for row in rows],
        [json.dumps(row.request) for row in rows],
        [uuid7() for _ in rows],
        [prices[index] for index in range(len(rows))],
    )


async def list_waiting(pool: Pool, batch_id: UUID, limit: int) -> list[Row]:
    """The first that are not begun."""
    return await _in_state(pool, batch_id, "waiting", limit)


async def list_submitted(pool: Pool, batch_id: UUID, limit: int) -> list[Row]:
    """Those whose generation is under way."""
    return await _in_state(pool, batch_id, "submitted", limit)


async def mark_submitted(pool: Pool, batch_id: UUID, rows: Sequence[Row]) -> None:
    """Their generations are there."""
    if rows:
        await pool.execute(_SUBMITTED, batch_id, [row.number for row in rows], [row.generation_id for row in rows])


async def list_unwanted(pool: Pool, batch_id: UUID, rows: Sequence[Row]) -> list[UUID]:
    """Generations of these rows that no row is waiting for."""
    numbers, ids = [row.number for row in rows], [row.generation_id for row in rows]
    return [row["generation_id"] for row in await pool.fetch(_UNWANTED, batch_id, numbers, ids)] if rows else []


async def begin_anew(pool: Pool, batch_id: UUID, rows: Sequence[Row]) -> None:
    """Their generations came to nothing, for certain: each gets another id, and is begun again."""
    if rows:
        ids = [row.generation_id for row in rows]
        await pool.execute(_ANEW, batch_id, [row.number for row in rows], ids, [uuid7() for _ in rows])


async def end(connection: Connection | Pool, batch_id: UUID, ends: Sequence[RowEnd]) -> None:
    """How these rows ended; what their client wrote is forgotten."""
    if ends:
        await connection.execute(
            _END,
            batch_id,
            [e.number for e in ends],
            [e.generation_id for e in ends],
            [e.state for e in ends],
            [e.credits for e in ends],
            [json.dumps(e.problem) if e.problem else None for e in ends],
        )


async def end_waiting(
    pool: Pool,
    batch_id: UUID,
    state: RowState,
    problem: Mapping[str, Any] | None,
    prices: Collection[int] | None = None,
) -> None:
    """Ends the rows that are not begun, or those of them that have one of these prices. One whose process died before
    it said that its generation is there has begun: it is under way from here on."""
    await pool.execute(_BEGUN, batch_id)
    await pool.execute(_END_WAITING, batch_id, state, problem, None if prices is None else list(prices))


async def list_page(
    pool: Pool, batch_id: UUID, *, after: int, limit: int, states: Sequence[RowState] | None = None
) -> list[Row]:
    """Rows by number, those after ``after``."""
    rows = await pool.fetch(_PAGE, batch_id, after, list(states) if states else None, limit)
    return [Row(*row.values()) for row in rows]


async def _in_state(pool: Pool, batch_id: UUID, state: RowState, limit: int) -> list[Row]:
    return [Row(*row.values()) for row in await pool.fetch(_IN_STATE, batch_id, state, limit)]

"""Writes that leave in one statement at the end of a transaction: one round trip, however many tables they touch.

Each is an INSERT, UPDATE or DELETE with parameters of its own, ``$1`` first. They become the WITH queries of a single
statement, so none of them sees the rows of another, except for what the other returns, under its name.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import asyncpg

from atelier_messaging.database import Connection

STATEMENTS_KEPT_MAX = 200
_PARAMETER = re.compile(r"\$(\d+)")


class WriteConflict(ConnectionAbortedError):
    """A write met other rows than its handler had seen: another process was faster. The batch starts over."""


@dataclass(frozen=True, slots=True)
class Write:
    """One write. ``rows`` is how many it must touch, None where any number is right; ``key`` is the primary key whose
    values must not be there yet (an INSERT that finds that out needs no ON CONFLICT, which costs a record a row)."""

    name: str
    sql: str
    values: tuple[Any, ...]
    rows: int | None = None
    key: str | None = None


async def execute(connection: Connection, writes: Sequence[Write]) -> None:
    """Does all writes, or none of them. Raises WriteConflict when one touched another number of rows than it must, or
    met its key."""
    if not writes:
        return
    expected = [write.rows for write in writes if write.rows is not None]
    statement = _statement(tuple((write.name, write.sql, write.rows is not None) for write in writes))
    try:
        await connection.fetchval(statement, *(value for write in writes for value in write.values), *expected)
    except asyncpg.DivisionByZeroError as error:
        raise WriteConflict("another process has changed these rows in the meantime") from error
    except asyncpg.UniqueViolationError as error:
        if error.constraint_name not in {write.key for write in writes if write.key}:
            raise
        raise WriteConflict("another process has added these rows in the meantime") from error


@lru_cache(maxsize=STATEMENTS_KEPT_MAX)
def _statement(parts: tuple[tuple[str, str, bool], ...]) -> str:
    queries, names, used = [], [], 0
    for name, sql, is_checked in parts:
        queries.append(f"{name} AS ({_PARAMETER.sub(lambda match, by=used: f'${int(match[1]) + by}', sql)})")  # type: ignore[misc]
        used += max((int(number) for number in _PARAMETER.findall(sql)), default=0)
        if is_checked:
            names.append(name)
    checks = [f"(SELECT count(*) FROM {name}) = ${used + place}" for place, name in enumerate(names, 1)]  # noqa: S608 - names are constants
    # A wrong count must undo the whole statement, which may be a transaction of its own: only an error does.
    return f"WITH {', '.join(queries)} SELECT 1 / ({' AND '.join(checks) or 'true'})::int"

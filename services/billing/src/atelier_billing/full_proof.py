"""The full proof of the books, as a job: every posting and every hold, in slices that any billing process can continue.

Each slice reads one snapshot. That is enough: all balances are compared in one slice, and a hold is compared with its
own postings.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import asyncpg
from uuid_utils.compat import uuid7

from atelier_billing import checks
from atelier_billing.verification import VIOLATIONS_MAX, LedgerVerification
from atelier_messaging.database import Connection, Pool

SLICE_ROWS = 10_000
SLICE_S_MAX = 600.0
"""Adding up all postings is one statement, and takes long in old books."""

_START = """
INSERT INTO ledger_proofs (id, state, step, total) VALUES ($1, 'running', 'balances', 0) ON CONFLICT DO NOTHING
"""
_COLUMNS = "id, state, step, checked, total, accounts, entries, violations, started_at, ended_at"
_RUNNING = f"SELECT {_COLUMNS} FROM ledger_proofs WHERE state = 'running'"  # noqa: S608 - constants only
_ONE = f"SELECT {_COLUMNS} FROM ledger_proofs WHERE id = $1"  # noqa: S608 - constants only
_LATEST = f"SELECT {_COLUMNS} FROM ledger_proofs ORDER BY started_at DESC LIMIT 1"  # noqa: S608 - constants only
_CLAIM = "SELECT * FROM ledger_proofs WHERE state = 'running' FOR UPDATE SKIP LOCKED"
_IS_ANY_RUNNING = "SELECT EXISTS (SELECT FROM ledger_proofs WHERE state = 'running')"
_SAVE = """
UPDATE ledger_proofs SET step = $2, position = $3, checked = $4, total = $5, accounts = $6, entries = $7,
       violations = $8, state = CASE WHEN $2 <> 'done' THEN 'running' WHEN $8 = '[]'::jsonb THEN 'passed'
                                     ELSE 'failed' END,
       ended_at = CASE WHEN $2 = 'done' THEN clock_timestamp() END
WHERE id = $1
"""
_SIZE = """
SELECT (SELECT count(*) FROM accounts) AS accounts, (SELECT count(*) FROM postings) AS entries,
       (SELECT count(*) FROM holds) AS holds
"""
_HOLDS = "SELECT generation_id FROM holds WHERE generation_id > $1 ORDER BY generation_id LIMIT $2"
_POSTINGS = "SELECT * FROM postings WHERE id > $1 ORDER BY id LIMIT $2"
_BEGINNING = UUID(int=0)
_PAGES = {
    "holds": (
        f"SELECT count(*) AS size, max(generation_id::text)::uuid AS last FROM ({_HOLDS}) page",  # noqa: S608 - constants only
        {
            "every hold agrees with its postings": checks.holds(_HOLDS),
            "what was reused costs no more than the book says": checks.reuse(_HOLDS),
        },
        "postings",
    ),
    "postings": (
        f"SELECT count(*) AS size, max(id::text)::uuid AS last FROM ({_POSTINGS}) page",  # noqa: S608 - constants only
        {"every settled posting belongs to a hold": checks.orphans(_POSTINGS)},
        "done",
    ),
}
"""By step: how to measure a page, what to check in it, which step is next."""
_WHOLE = {
    "balances are the sum of their postings": checks.BALANCES_OF_ALL,
    "what was proven is still there": checks.CHECKPOINT,
    **checks.ACCOUNTS,
    "every cap counts what its holds come to": checks.COUNTS_OF_CAPS,
    "every grant agrees with its postings": checks.GRANTS,
}


@dataclass(frozen=True, slots=True)
class _Progress:
    id: UUID
    step: str
    position: UUID | None
    checked: int
    total: int
    accounts: int
    entries: int
    violations: list[str]


async def start(pool: Pool) -> dict[str, Any]:
    """Starts a full proof, or returns the one that is running."""
    while True:
        await pool.execute(_START, uuid7())
        if (row := await pool.fetchrow(_RUNNING)) is not None:
            return dict(row)


async def find(pool: Pool, id_: UUID) -> dict[str, Any] | None:
    """The progress and the violations of a proof; None where there is none with this id."""
    row = await pool.fetchrow(_ONE, id_)
    return dict(row) if row else None


async def latest(pool: Pool) -> dict[str, Any] | None:
    """The proof that was started last; None where there is none."""
    row = await pool.fetchrow(_LATEST)
    return dict(row) if row else None


async def continue_proof(pool: Pool) -> None:
    """Continues the running proof to its end; returns at once where there is none, or another process works on it."""
    if not await pool.fetchval(_IS_ANY_RUNNING):
        return
    try:
        while await _slice(pool):
            pass
    except asyncpg.SerializationError:
        return  # another process continues it


async def _slice(pool: Pool) -> bool:
    """Runs one slice in one transaction; whether there are more. After a crash the slice alone is repeated."""
    async with pool.acquire() as connection, connection.transaction(isolation="repeatable_read"):
        if (row := await connection.fetchrow(_CLAIM)) is None:
            return False
        names = ("id", "step", "position", "checked", "total", "accounts", "entries", "violations")
        now = await advance(connection, _Progress(**{name: row[name] for name in names}))
        values = (now.step, now.position, now.checked, now.total, now.accounts, now.entries, now.violations)
        await connection.execute(_SAVE, now.id, *values)
    return now.step != "done"


async def advance(connection: Connection, now: _Progress) -> _Progress:
    """The proof after its next slice."""
    if now.step == "balances":
        size = await connection.fetchrow(_SIZE, timeout=SLICE_S_MAX)
        assert size is not None
        found = await _violations(connection, _WHOLE)
        return replace(
            now,
            step="holds",
            checked=size["entries"],
            total=2 * size["entries"] + size["holds"],
            accounts=size["accounts"],
            entries=size["entries"],
            violations=found,
        )
    measure, page_checks, following = _PAGES[now.step]
    position = now.position or _BEGINNING
    page = await connection.fetchrow(measure, position, SLICE_ROWS)
    assert page is not None
    found = await _violations(connection, page_checks, position, SLICE_ROWS)
    is_last = page["size"] < SLICE_ROWS
    return replace(
        now,
        step=following if is_last else now.step,
        position=None if is_last else page["last"],
        checked=now.checked + page["size"],
        total=max(now.total, now.checked + page["size"]),
        violations=[*now.violations, *found][:VIOLATIONS_MAX],
    )


async def prove(connection: Connection) -> LedgerVerification:
    """The whole proof at once, in one snapshot; for tests and small books."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        now = _Progress(_BEGINNING, "balances", None, 0, 0, 0, 0, [])
        while now.step != "done":
            now = await advance(connection, now)
    return LedgerVerification(now.accounts, now.entries, now.violations)


async def _violations(connection: Connection, named: Mapping[str, str], *arguments: object) -> list[str]:
    return [
        f"{name}: {row[0]}"
        for name, check in named.items()
        for row in await connection.fetch(f"{check} LIMIT {VIOLATIONS_MAX}", *arguments, timeout=SLICE_S_MAX)
    ]

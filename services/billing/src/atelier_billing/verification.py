"""``ledger verify``: proves the books from the postings after a checkpoint, and names each violation.

Database triggers keep proven postings and settled holds unchanged, so a call reads whole accounts, open holds and the
postings after the checkpoint: its cost follows the traffic, not the history. ``full_proof.py`` trusts no checkpoint.
"""

from dataclasses import dataclass

from atelier_billing import checks
from atelier_messaging import UnitOfWork
from atelier_messaging.database import Connection

VIOLATIONS_MAX = 100
ADVANCE_MAX = 20_000
"""Postings that one step of the checkpoint covers at most."""

_NEW_POSTINGS = checks.UNPROVEN_POSTINGS
_NEW_GENERATIONS = f"SELECT DISTINCT generation_id FROM ({_NEW_POSTINGS}) n WHERE generation_id IS NOT NULL"  # noqa: S608 - constants only
_OPEN_OR_NEW = f"SELECT generation_id FROM holds WHERE state = 'open' UNION {_NEW_GENERATIONS}"  # noqa: S608 - constants only

CHECKS = {
    "balances are the sum of their postings": checks.BALANCES_SINCE_CHECKPOINT,
    **checks.ACCOUNTS,
    "every cap of a day counts what its holds come to": checks.COUNTS_TODAY,
    "every hold agrees with its postings": checks.holds(_OPEN_OR_NEW),
    "what was reused costs no more than the book says": checks.reuse(_NEW_GENERATIONS),
    "every settled posting belongs to a hold": checks.orphans(_NEW_POSTINGS),
}
_ENTRIES = """
SELECT (SELECT COALESCE(sum(entries), 0) FROM proven_accounts)::bigint AS proven,
       (SELECT count(*) FROM unproven_postings) AS unproven
"""
CHECKPOINT_LOCK = 7_283_302
"""Of the advisory lock under which one process at a time moves the checkpoint on."""
_ALONE = "SELECT pg_try_advisory_xact_lock($1)"
_BATCH = "SELECT posting_id FROM unproven_postings ORDER BY posting_id LIMIT $1"
_POSTINGS = "SELECT * FROM postings WHERE id = ANY($1::uuid[])"
_GENERATIONS = f"SELECT DISTINCT generation_id FROM ({_POSTINGS}) n WHERE generation_id IS NOT NULL"  # noqa: S608 - constants only
_WRONG = " UNION ".join(
    f"SELECT generation_id FROM ({check}) AS wrong(said, generation_id)"  # noqa: S608 - constants only
    for check in (checks.holds(_GENERATIONS), checks.reuse(_GENERATIONS), checks.orphans(_POSTINGS))
)
_ADVANCE = f"""
WITH covered AS (
    DELETE FROM unproven_postings u USING ({_POSTINGS}) n
    WHERE u.posting_id = n.id AND CASE WHEN n.generation_id IS NULL THEN n.kind IN ('grant', 'expire', 'take_back')
                                       ELSE NOT n.generation_id = ANY($2::uuid[]) END
    RETURNING n.*
), moved AS (
    SELECT p.owner_id, {checks.MOVED} FROM covered p GROUP BY 1
), proven AS (
    INSERT INTO proven_accounts AS t (owner_id, granted, available, held, captured, expired, entries)
    SELECT owner_id, granted, available, held, captured, expired, entries FROM moved
    ON CONFLICT (owner_id) DO UPDATE SET
        granted = t.granted + excluded.granted, available = t.available + excluded.available,
        held = t.held + excluded.held, captured = t.captured + excluded.captured,
        expired = t.expired + excluded.expired, entries = t.entries + excluded.entries
)
SELECT count(*) FROM covered
"""  # noqa: S608 - constants only


@dataclass(frozen=True, slots=True)
class LedgerVerification:
    """The size of what was checked and the violations; none means that the books are right."""

    accounts: int
    entries: int
    violations: list[str]
    unproven: int = 0
    """The entries after the checkpoint, which this verification added up."""

    @property
    def ok(self) -> bool:
        """Whether there is no violation."""
        return not self.violations


async def verify(connection: Connection) -> LedgerVerification:
    """Checks everything in one snapshot, so that concurrent commands cannot cause a false violation."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        violations = [
            f"{name}: {row[0]}"
            for name, check in CHECKS.items()
            for row in await connection.fetch(f"{check} LIMIT {VIOLATIONS_MAX}")
        ]
        accounts = await connection.fetchval("SELECT count(*) FROM accounts")
        entries = await connection.fetchrow(_ENTRIES)
    assert entries is not None
    return LedgerVerification(accounts, entries["proven"] + entries["unproven"], violations, entries["unproven"])


async def advance_checkpoint(unit: UnitOfWork) -> int:
    """Proves the new postings and moves the checkpoint over them; returns how many they were.

    Postings with a violation stay unproven, so every later verification names them again.
    """
    async with unit.pool.acquire() as connection, connection.transaction(isolation="repeatable_read"):
        if not await connection.fetchval(_ALONE, CHECKPOINT_LOCK):
            return 0
        batch = [row["posting_id"] for row in await connection.fetch(_BATCH, ADVANCE_MAX)]
        found = await connection.fetch(_WRONG, batch)
        wrong = [row["generation_id"] for row in found if row["generation_id"] is not None]
        return int(await connection.fetchval(_ADVANCE, batch, wrong))

"""``python -m atelier_billing.ledger_bench``: what ``ledger verify`` and the full proof cost, by the size of the books.

On a Postgres of its own, or the one that ``ATELIER_TEST_DATABASE_URL`` names.
"""

import argparse
import asyncio
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from atelier_billing import full_proof
from atelier_billing.verification import advance_checkpoint, verify
from atelier_messaging import UnitOfWork, database, testing
from atelier_messaging.database import Pool
from atelier_messaging.outbox import Outbox
from atelier_messaging.publisher import Publisher

OWNERS = 1_000
SINCE_CHECKPOINT = 3_000
"""Generations after the checkpoint: what some seconds of full load leave."""
CALLS = 5
FILL_S_MAX = 3_600.0

_OPEN = """
WITH opened AS (
    INSERT INTO accounts (owner_id, owner_kind) SELECT md5('owner' || i)::uuid, 'store'
    FROM generate_series(0, $1::int - 1) AS i ON CONFLICT DO NOTHING RETURNING owner_id
), given AS (
    INSERT INTO grants (id, owner_id, credits, remaining, reason) SELECT owner_id, owner_id, $2, 0, 'bench' FROM opened
    RETURNING id, owner_id
)
INSERT INTO postings (id, kind, owner_id, grant_id, debit, credit, credits)
SELECT gen_random_uuid(), 'grant', owner_id, id, 'granted', 'available', $2 FROM given
"""
_HOLD = """
INSERT INTO holds (generation_id, owner_id, unit_credits, units, price_book, state, captured, refunded, settled_at)
SELECT lpad(to_hex(i), 32, '0')::uuid, md5('owner' || i % $3)::uuid, 1, 1, 'bench', 'captured', 1, 0, now()
FROM generate_series($1::int, $2::int - 1) AS i
"""
_POST = """
INSERT INTO postings (id, kind, owner_id, grant_id, generation_id, debit, credit, credits)
SELECT lpad(m.step || lpad(to_hex(h.i), 15, '0'), 32, '0')::uuid, m.kind, h.owner_id, h.owner_id, h.generation_id,
       m.debit, m.credit, 1
FROM (SELECT lpad(to_hex(i), 32, '0')::uuid AS generation_id, md5('owner' || i % $3)::uuid AS owner_id, i
      FROM generate_series($1::int, $2::int - 1) AS i) h,
     (VALUES ('1', 'reserve', 'available', 'held'),
             ('2', 'capture', 'held', 'captured')) AS m(step, kind, debit, credit)
"""
_BALANCE = """
UPDATE accounts a SET granted = -$1::bigint, captured = c.captured, available = $1 - c.captured
FROM (SELECT owner_id, sum(credits) FILTER (WHERE kind = 'capture') AS captured FROM postings GROUP BY 1) c
WHERE a.owner_id = c.owner_id
"""
_LEAVE = "UPDATE grants g SET remaining = a.available FROM accounts a WHERE a.owner_id = g.owner_id"
CREDITS_EACH = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Cost:
    """What proofs cost with so many generations in the books. ``ok`` is what they found."""

    generations: int
    verify_ms: float
    full_s: float
    ok: bool


async def measure(superuser: str, url: str, sizes: Sequence[int]) -> list[Cost]:
    """``url`` is of an empty, migrated database; the books grow from one size to the next."""
    pool, there, costs = await database.connect(url), 0, []
    unit = UnitOfWork(pool, Outbox(pool, Publisher("amqp://nowhere.invalid/", "billing")), "atelier/billing")
    await pool.execute(_OPEN, OWNERS, CREDITS_EACH)
    for size in sorted(sizes):
        await _fill(pool, there, size - SINCE_CHECKPOINT)
        while await advance_checkpoint(unit):
            pass
        await _fill(pool, size - SINCE_CHECKPOINT, size)
        await testing.analyze(superuser, url)
        costs.append(await _measure(pool, size))
        there = size
    await pool.close()
    return costs


async def _fill(pool: Pool, first: int, after: int) -> None:
    for statement in (_HOLD, _POST):
        await pool.execute(statement, first, after, OWNERS, timeout=FILL_S_MAX)
    await pool.execute(_BALANCE, CREDITS_EACH, timeout=FILL_S_MAX)
    await pool.execute(_LEAVE, timeout=FILL_S_MAX)


async def _measure(pool: Pool, size: int) -> Cost:
    took, verdicts = [], []
    for _ in range(CALLS):
        began = time.perf_counter()
        async with pool.acquire() as connection:
            verdicts.append(await verify(connection))
        took.append((time.perf_counter() - began) * 1_000)
    began = time.perf_counter()
    await full_proof.start(pool)
    await full_proof.continue_proof(pool)
    full_s = time.perf_counter() - began
    proof = await full_proof.latest(pool)
    assert proof is not None
    return Cost(size, statistics.median(took), full_s, all(v.ok for v in verdicts) and proof["state"] == "passed")


def main() -> None:
    """Prints one row a size."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--generations", type=int, nargs="+", default=[10_000, 1_000_000], help="in the books")
    sizes = arguments.parse_args().generations
    with testing.postgres("bench-ledger") as superuser:
        costs = asyncio.run(_on(superuser, sizes))
    sys.stdout.write(f"ledger verify, {OWNERS} accounts, {SINCE_CHECKPOINT} generations since the checkpoint:\n")
    for cost in costs:
        books = "in order" if cost.ok else "NOT IN ORDER"
        sys.stdout.write(
            f"{cost.generations:>10} generations  {cost.verify_ms:7.1f} ms  full proof {cost.full_s:6.1f} s  {books}\n"
        )


async def _on(superuser: str, sizes: Sequence[int]) -> list[Cost]:
    async with testing.migrated_database(superuser, Path(__file__).parent / "migrations") as url:
        return await measure(superuser, url, sizes)


if __name__ == "__main__":
    main()

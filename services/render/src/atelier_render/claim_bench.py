"""``python -m atelier_render.claim_bench``: what a claim costs with a short and with a long queue, in one run.

On a Postgres of its own, or the one that ``ATELIER_TEST_DATABASE_URL`` names. Claims are committed, durably.
"""

import argparse
import asyncio
import json
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from atelier_messaging import database, testing
from atelier_messaging.database import Connection, Pool
from atelier_render import store
from atelier_render.store.queue import CLAIM

TENANTS = 100
CLAIM_ROWS = 8
WARM_UP, CLAIMS = 20, 60
"""Together they leave some of the shortest queue."""
LEASE_S = 3_600.0
CAP = 2**31 - 1
"""No tenant is held back."""

_PILE_UP = """
INSERT INTO jobs (generation_id, state, lane, owner_kind, owner_id, spec, deadline_at)
SELECT gen_random_uuid(), 'queued', 'paced', 'store', md5((i % $2)::text)::uuid,
       '{"kind": "image", "prompt": "a red bicycle against a white wall"}', now() + interval '1 day'
FROM generate_series(1, $1::int) AS i
"""
_COUNT = """
INSERT INTO tenant_queues (lane, owner_id, queued)
SELECT lane, owner_id, count(*) FROM jobs WHERE state = 'queued' GROUP BY lane, owner_id
ON CONFLICT (lane, owner_id) DO UPDATE SET queued = excluded.queued
"""


@dataclass(frozen=True, slots=True)
class Cost:
    """The median claim while so many jobs waited."""

    waiting: int
    milliseconds: float
    pages: int


async def measure(superuser: str, url: str, lengths: Sequence[int]) -> list[Cost]:
    """``url`` is of an empty, migrated database; the queue grows from one length to the next."""
    pool, there = await database.connect(url), 0
    costs = []
    for length in sorted(lengths):
        await pool.execute(_PILE_UP, length - there, TENANTS, timeout=600)
        await pool.execute(_COUNT, timeout=600)
        await testing.analyze(superuser, url)
        pages = await _pages(pool)
        costs.append(Cost(length, await _claim_ms(pool), pages))
        there = int(await pool.fetchval("SELECT sum(queued) FROM tenant_queues"))
    await pool.close()
    return costs


async def _claim_ms(pool: Pool) -> float:
    took = []
    for _ in range(WARM_UP + CLAIMS):
        began = time.perf_counter()
        async with pool.acquire() as connection, connection.transaction():
            await store.claim_jobs(connection, "paced", CLAIM_ROWS, owner="bench", lease_s=LEASE_S)
        took.append((time.perf_counter() - began) * 1_000)
    return statistics.median(took[WARM_UP:])


async def _pages(pool: Pool) -> int:
    async with pool.acquire() as connection:
        return await pages_of_a_claim(connection)


async def pages_of_a_claim(connection: Connection) -> int:
    """How many pages a claim reads, from memory or not; of the second one, for the first reads the catalogues too.
    Nothing stays claimed."""
    for _ in range(2):
        transaction = connection.transaction()
        await transaction.start()
        explain = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {CLAIM}"
        found = await connection.fetchval(explain, "paced", CLAIM_ROWS, "bench", LEASE_S, store.LATE, CAP)
        await transaction.rollback()
    plan = json.loads(found)[0]["Plan"]
    return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])


def main() -> None:
    """Prints one row a length."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--waiting", type=int, nargs="+", default=[1_000, 1_000_000], help="jobs in the queue")
    lengths = arguments.parse_args().waiting
    with testing.postgres("bench-queue") as superuser:
        costs = asyncio.run(_on(superuser, lengths))
    sys.stdout.write(f"a claim of {CLAIM_ROWS} jobs, {TENANTS} tenants, median of {CLAIMS}, committed:\n")
    for cost in costs:
        sys.stdout.write(f"{cost.waiting:>10} waiting  {cost.milliseconds:6.2f} ms  {cost.pages:5} pages\n")


async def _on(superuser: str, lengths: Sequence[int]) -> list[Cost]:
    async with testing.migrated_database(superuser, Path(__file__).parent / "migrations") as url:
        return await measure(superuser, url, lengths)


if __name__ == "__main__":
    main()

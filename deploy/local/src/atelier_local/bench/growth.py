"""An installation that has run for long: finished generations by the hundred thousand, as copies of real ones.

Each table that has rows of a generation gets copies of them under ids of the past, the same in all four databases. The
balances of the owners are left alone, so the books of such a stack are not to be proved.
"""

from collections.abc import Sequence
from typing import Any

import asyncpg

from atelier_local.bench.builds import Build
from atelier_local.launcher.profile import SERVICES

SAMPLES = 50
"""Generations that are copied, one an owner: the copies are spread over the owners, as real ones are."""
INSERT_S_MAX = 3_600.0
PAST_MS = 30 * 86_400_000
"""The ids are time-ordered and lie a month back, unless another span is given."""

_SAMPLES = """
SELECT DISTINCT ON (owner_id) id FROM generations WHERE state = $2 ORDER BY owner_id, id DESC LIMIT $1
"""
_TABLES = """
SELECT c.oid::regclass::text AS name, array_agg(a.attname ORDER BY a.attnum) AS columns,
       array_agg(a.attname ORDER BY a.attnum) FILTER (WHERE a.atttypid = 'uuid'::regtype AND EXISTS (
         SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary AND a.attnum = ANY(i.indkey))) AS keys
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND n.nspname = 'public' AND a.attnum > 0 AND NOT a.attisdropped
  AND a.attgenerated = '' AND a.attidentity = ''
GROUP BY c.oid
"""
_NEW_ID = """
(lpad(to_hex($3::bigint + copy.n), 12, '0') || '7' || substr(md5({old}::text || copy.n), 1, 3)
  || '8' || substr(md5({old}::text || copy.n), 4, 15))::uuid
"""


async def grow(build: Build, generations: int, *, state: str = "succeeded", past_ms: int = PAST_MS) -> int:
    """Adds about so many finished generations to a running stack that has some in this state, with ids that lie so long
    back; says how many rows that were."""
    gateway = await asyncpg.connect(build.database_url("gateway"))
    samples = [row["id"] for row in await gateway.fetch(_SAMPLES, SAMPLES, state)]
    now_ms: int = await gateway.fetchval("SELECT (extract(epoch FROM now()) * 1000)::bigint")
    await gateway.close()
    rows = 0
    for service in SERVICES:
        connection = await asyncpg.connect(build.database_url(service))
        # No trigger and no check of references runs: they have run for the rows that are copied.
        await connection.execute("SET session_replication_role = replica; SET synchronous_commit = off")
        for table in await connection.fetch(_TABLES):
            rows += await _copy(connection, table, samples, generations // len(samples), now_ms - past_ms)
        # As autovacuum would have by then: its work on so many new rows is not what is measured.
        await connection.execute("VACUUM (ANALYZE)", timeout=INSERT_S_MAX)
        await connection.close()
    return rows


async def _copy(
    connection: asyncpg.Connection, table: asyncpg.Record, samples: Sequence[Any], copies: int, base_ms: int
) -> int:
    """Multiplies a table's rows of the samples; none where it has none."""
    generation = "id" if table["name"] == "generations" else "generation_id"
    if generation not in table["columns"]:
        return 0
    values = {name: f"old.{name}" for name in table["columns"]}
    values |= dict.fromkeys(table["keys"] or (), "gen_random_uuid()")
    values[generation] = _NEW_ID.format(old=f"old.{generation}")
    done = await connection.execute(
        f"INSERT INTO {table['name']} ({', '.join(values)}) SELECT {', '.join(values.values())}"
        f" FROM {table['name']} AS old, generate_series(1, $2::int) AS copy(n)"
        f" WHERE old.{generation} = ANY($1::uuid[]) ON CONFLICT DO NOTHING",
        samples, copies, base_ms, timeout=INSERT_S_MAX,
    )  # fmt: skip
    return int(done.rpartition(" ")[2])

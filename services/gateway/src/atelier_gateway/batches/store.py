"""SQL of batches: who may work at which, how far each is, and the change of its state."""

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

import asyncpg

from atelier_contracts import Owner, Spender, Work
from atelier_gateway.batches.records import OPEN_STATES, Batch, BatchState, RowPrice, Tally
from atelier_messaging.database import Connection, Pool

_COLUMNS = (
    "id, owner_kind, owner_id, channel, spenders, surface, endpoint, input_file_id, attributes, simulate, window_s,"
    " output_life_s, state, rows, quoted, prices, errors, output_file_id, error_file_id, created_at, expires_at,"
    " in_progress_at, finalizing_at, cancelling_at, ended_at"
)
_LOCK_OWNER = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))"
_COUNT_OPEN = "SELECT count(*)::int FROM batches WHERE owner_kind = $1 AND owner_id = $2 AND state = ANY($3::text[])"
_INSERT = f"""
INSERT INTO batches ({_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17,
                                         $18, $19, $20, $21, $22, $23, $24, $25)
"""  # noqa: S608 - constants only
_ONE = f"""
SELECT {_COLUMNS} FROM batches
WHERE id = $1 AND owner_kind = $2 AND owner_id = $3 AND ($4::text IS NULL OR surface = $4)
"""  # noqa: S608 - constants only
_PAGE = f"""
SELECT {_COLUMNS} FROM batches
WHERE owner_kind = $1 AND owner_id = $2 AND ($3::text IS NULL OR surface = $3) AND ($4::uuid IS NULL OR id < $4)
ORDER BY id DESC LIMIT $5
"""  # noqa: S608 - constants only
# One batch of an owner is made at a time, the oldest first; what ends one, or finds out what it asks for, is not queued
# behind it. Those that have waited longest for a turn come first.
_LEASE = f"""
WITH due AS (
    SELECT id FROM batches b
    WHERE state IN ('validating', 'in_progress', 'finalizing', 'cancelling')
      AND (leased_until IS NULL OR leased_until < now())
      AND (state <> 'in_progress' OR NOT EXISTS (
          SELECT FROM batches o
          WHERE o.state = 'in_progress' AND o.owner_id = b.owner_id AND o.owner_kind = b.owner_kind AND o.id < b.id
      ))
    ORDER BY served_at NULLS FIRST, id LIMIT $2 FOR UPDATE SKIP LOCKED
)
UPDATE batches SET lease = $1, leased_until = now() + make_interval(secs => $3), served_at = now()
WHERE id IN (SELECT id FROM due)
RETURNING {_COLUMNS}
"""  # noqa: S608 - constants only
_RENEW = f"""
UPDATE batches SET leased_until = now() + make_interval(secs => $3) WHERE id = $1 AND lease = $2 RETURNING {_COLUMNS}
"""  # noqa: S608 - constants only
_RELEASE = "UPDATE batches SET lease = NULL, leased_until = NULL WHERE id = $1 AND lease = $2"
_START = """
UPDATE batches SET state = 'in_progress', in_progress_at = now(), rows = $2, quoted = $3, prices = $4
WHERE id = $1 AND state = 'validating' RETURNING id
"""
_FAIL = """
UPDATE batches SET state = 'failed', ended_at = now(), errors = $2 WHERE id = $1 AND state = 'validating' RETURNING id
"""
_CANCEL = """
UPDATE batches SET state = 'cancelling', cancelling_at = now()
WHERE id = $1 AND state IN ('validating', 'in_progress') RETURNING id
"""
# Another process may have begun rows since they were looked for: what has rows that have not ended does not end.
_FINALIZE = """
UPDATE batches b SET state = 'finalizing', finalizing_at = now()
WHERE id = $1 AND state = 'in_progress'
  AND NOT EXISTS (SELECT FROM batch_rows r WHERE r.batch_id = b.id AND r.state IN ('waiting', 'submitted'))
RETURNING id
"""
_END = """
UPDATE batches b SET state = $2, ended_at = now(), output_file_id = $3, error_file_id = $4
WHERE id = $1 AND state IN ('in_progress', 'finalizing', 'cancelling')
  AND NOT EXISTS (SELECT FROM batch_rows r WHERE r.batch_id = b.id AND r.state IN ('waiting', 'submitted'))
RETURNING id
"""
_TALLY = """
SELECT r.batch_id, r.state, r.price, count(*)::int AS rows, sum(r.credits)::bigint AS credits,
       (b.prices -> r.price ->> 'credits')::bigint AS each
FROM batch_rows r JOIN batches b ON b.id = r.batch_id WHERE r.batch_id = ANY($1::uuid[]) GROUP BY 1, 2, 3, b.prices
"""
_IS_SHUT = """
SELECT EXISTS (SELECT FROM stores WHERE $1 = 'store' AND id = $2 AND suspended_at IS NOT NULL)
    OR EXISTS (SELECT FROM users WHERE $1 = 'user' AND id = $2 AND disabled_at IS NOT NULL)
"""
_DELETE = "DELETE FROM batches WHERE id = $1 AND NOT state = ANY($2::text[]) RETURNING id"
_PRUNE = """
DELETE FROM batches WHERE id IN (
    SELECT id FROM batches WHERE ended_at < now() - make_interval(days => $1) ORDER BY ended_at LIMIT $2
) RETURNING id
"""
PRUNE_ROWS = 20


async def insert(connection: Connection, batch: Batch) -> None:
    """Writes down a new batch."""
    await connection.execute(
        _INSERT,
        *(batch.id, batch.owner.kind, batch.owner.id, batch.channel),
        [spender.model_dump(mode="json") for spender in batch.spenders],
        *(batch.surface, batch.endpoint, batch.input_file_id, dict(batch.attributes), batch.simulate, batch.window_s),
        *(batch.output_life_s, batch.state, batch.rows, batch.quoted, _prices_json(batch.prices)),
        *(None, None, None, batch.created_at, batch.expires_at, batch.in_progress_at, None, None, None),
    )


async def count_open(connection: Connection, owner: Owner) -> int:
    """How many of the owner's have not ended; until the transaction ends no other is added."""
    await connection.execute(_LOCK_OWNER, f"batches of {owner.kind} {owner.id}")
    return int(await connection.fetchval(_COUNT_OPEN, owner.kind, owner.id, list(OPEN_STATES)))


async def find(pool: Pool, owner: Owner, id_: UUID, surface: str | None = None) -> Batch | None:
    """The batch, if it is this owner's, and of this surface where one is named."""
    row = await pool.fetchrow(_ONE, id_, owner.kind, owner.id, surface)
    return _batch_of(row) if row else None


async def list_page(
    pool: Pool, owner: Owner, *, before: UUID | None, limit: int, surface: str | None = None
) -> list[Batch]:
    """This owner's, newest first."""
    return [_batch_of(row) for row in await pool.fetch(_PAGE, owner.kind, owner.id, surface, before, limit)]


async def count_rows(pool: Pool, ids: Collection[UUID]) -> dict[UUID, Tally]:
    """How far each of them is."""
    states: dict[UUID, dict[Any, int]] = {id_: {} for id_ in ids}
    captured, held = dict.fromkeys(ids, 0), dict.fromkeys(ids, 0)
    for row in await pool.fetch(_TALLY, list(ids)):
        id_, state = row["batch_id"], row["state"]
        states[id_][state] = states[id_].get(state, 0) + row["rows"]
        captured[id_] += row["credits"]
        held[id_] += row["rows"] * row["each"] if state == "submitted" else 0
    return {id_: Tally(states[id_], captured[id_], held[id_]) for id_ in ids}


async def is_shut(pool: Pool, owner: Owner) -> bool:
    """Whether operators have suspended this store, or disabled this user."""
    return bool(await pool.fetchval(_IS_SHUT, owner.kind, owner.id))


async def lease(pool: Pool, lease_id: UUID, limit: int, lease_s: float) -> list[Batch]:
    """Leases batches that need work and that no process works on; no other process does for ``lease_s``."""
    return [_batch_of(row) for row in await pool.fetch(_LEASE, lease_id, limit, lease_s)]


async def renew(pool: Pool, id_: UUID, lease_id: UUID, lease_s: float) -> Batch | None:
    """The batch as it is now, leased for longer; None where another process has it, or it is gone."""
    row = await pool.fetchrow(_RENEW, id_, lease_id, lease_s)
    return _batch_of(row) if row else None


async def release(pool: Pool, id_: UUID, lease_id: UUID) -> None:
    """Another process may work at it at once."""
    await pool.execute(_RELEASE, id_, lease_id)


async def start(connection: Connection, id_: UUID, rows: int, prices: Sequence[RowPrice], quoted: int) -> bool:
    """Its rows are there; False where it was cancelled in the meantime."""
    return await connection.fetchval(_START, id_, rows, quoted, _prices_json(prices)) is not None


async def fail(pool: Pool, id_: UUID, errors: Sequence[dict[str, Any]]) -> None:
    """It cannot be made: nothing of it was begun."""
    await pool.fetchval(_FAIL, id_, list(errors))


async def cancel(pool: Pool, id_: UUID) -> bool:
    """Nothing more of it is begun; False where it has ended, or was cancelled before."""
    return await pool.fetchval(_CANCEL, id_) is not None


async def finalize(pool: Pool, id_: UUID) -> None:
    """All its rows have ended."""
    await pool.fetchval(_FINALIZE, id_)


async def end(connection: Connection, id_: UUID, state: BatchState, output: UUID | None, errors: UUID | None) -> bool:
    """It has ended, with these files; False where it had before."""
    return await connection.fetchval(_END, id_, state, output, errors) is not None


async def delete_ended(connection: Connection, id_: UUID) -> bool:
    """Removes it with its rows and files; False while it has not ended."""
    return await connection.fetchval(_DELETE, id_, list(OPEN_STATES)) is not None


async def prune(pool: Pool, kept_days: int) -> None:
    """Removes those that ended long ago, so many at a time."""
    while len(await pool.fetch(_PRUNE, kept_days, PRUNE_ROWS)) == PRUNE_ROWS:
        pass


def _prices_json(prices: Sequence[RowPrice]) -> list[dict[str, Any]]:
    return [{"work": p.work.model_dump(mode="json"), "credits": p.credits, "quote": p.quote} for p in prices]


def _batch_of(row: asyncpg.Record) -> Batch:
    values = dict(row)
    owner = Owner(kind=values.pop("owner_kind"), id=values.pop("owner_id"))
    spenders = tuple(Spender.model_validate(spender) for spender in values.pop("spenders"))
    prices = [RowPrice(Work.model_validate(p["work"]), p["credits"], p["quote"]) for p in values.pop("prices")]
    return Batch(owner=owner, spenders=spenders, prices=prices, **values)

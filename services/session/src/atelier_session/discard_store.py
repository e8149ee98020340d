"""SQL of outputs that are to go: each row is the command to discard them, until render has none of them any more."""

from collections.abc import Collection
from uuid import UUID

from atelier_contracts import DiscardRender
from atelier_messaging import Transaction
from atelier_messaging.database import Connection, Pool

CHECK_S_MAX = 1_800.0
_DOUBLINGS_MAX = 10
# One batch may say it twice of a generation, which an upsert may not: the last holds.
_NOTE = """
INSERT INTO open_discards (generation_id, body) SELECT * FROM unnest($1::uuid[], $2::text[])
ON CONFLICT (generation_id) DO UPDATE SET body = excluded.body, checked_at = now(), checks = 0
"""
_CLAIM = f"""
WITH due AS (
    SELECT generation_id FROM open_discards
    WHERE checked_at < now() - make_interval(secs => least({CHECK_S_MAX}, $1 * 2 ^ least(checks, {_DOUBLINGS_MAX})))
    ORDER BY checked_at LIMIT $2 FOR UPDATE SKIP LOCKED
)
UPDATE open_discards o SET checked_at = now(), checks = least(o.checks + 1, 1000) FROM due
WHERE o.generation_id = due.generation_id RETURNING o.body
"""  # noqa: S608 - constants only
# Not one that was noted anew while render was queried.
_CLOSE = """
DELETE FROM open_discards o USING unnest($1::uuid[], $2::text[]) AS c(generation_id, body)
WHERE o.generation_id = c.generation_id AND o.body = c.body
"""


def note(tx: Transaction, discards: Collection[DiscardRender]) -> None:
    """Notes them with the transaction's writes."""
    if discards:
        latest = {discard.generation_id: _body(discard) for discard in discards}
        ids = sorted(latest)
        tx.write("noted_discards", _NOTE, ids, [latest[id_] for id_ in ids])


async def claim_due(pool: Pool, *, after_s: float, rows_max: int) -> list[DiscardRender]:
    """Those noted so long ago, in seconds, doubled with each time; other processes get others."""
    rows = await pool.fetch(_CLAIM, after_s, rows_max)
    return [DiscardRender.model_validate_json(row["body"]) for row in rows]


async def close(connection: Connection, done: Collection[DiscardRender]) -> None:
    """Render has none of these outputs any more."""
    ids: list[UUID] = [discard.generation_id for discard in done]
    await connection.execute(_CLOSE, ids, [_body(discard) for discard in done])


def _body(discard: DiscardRender) -> str:
    return discard.model_dump_json()

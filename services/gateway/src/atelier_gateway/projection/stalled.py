"""SQL of stalled generations: not ended, and without news for long."""

from collections.abc import Sequence
from uuid import UUID

from atelier_contracts import GenerationRequested
from atelier_messaging.database import Pool

# What waits to be delivered has no news before its window ends. The longest silent come first; while they are asked
# about no other gateway takes them.
_CLAIM = """
WITH standing AS (
    SELECT id FROM generations
    WHERE rank < 9 AND (state <> 'delivering' OR (handover ->> 'deliver_by')::timestamptz < now()
                        OR jsonb_array_length(handover -> 'delivered') > 0)
      AND greatest(updated_at, checked_at) < now() - make_interval(secs => $1)
    ORDER BY greatest(updated_at, checked_at) LIMIT $2 FOR UPDATE SKIP LOCKED
)
UPDATE generations g SET checked_at = now() FROM standing s WHERE g.id = s.id RETURNING g.id
"""
_NOTE_ANSWER = """
UPDATE generations SET unknown_at = CASE WHEN id = ANY($2::uuid[]) THEN COALESCE(unknown_at, now()) END
WHERE id = ANY($1::uuid[]) AND rank < 9 AND (unknown_at IS NOT NULL OR id = ANY($2::uuid[]))
RETURNING id, unknown_at < now() AS again
"""
# A request that still waits in our outbox, or is sent again until the saga knows it, is late, not lost.
_UNSENT = """
SELECT w.id FROM unnest($1::uuid[]) AS w(id)
WHERE EXISTS (SELECT FROM outbox o WHERE o.name = $2 AND (o.body::jsonb ->> 'generation_id')::uuid = w.id)
   OR EXISTS (SELECT FROM unconfirmed_messages m WHERE m.subject = w.id AND m.name = $2 AND m.confirmed_at IS NULL)
"""
_OLDEST = """
SELECT COALESCE(extract(epoch FROM now() - min(created_at)), 0)::float8 FROM generations WHERE rank < 3
"""


async def claim_stalled(pool: Pool, *, after_s: float, rows_max: int) -> list[UUID]:
    """Generations without news for ``after_s`` seconds; each is returned once in that time."""
    return [row["id"] for row in await pool.fetch(_CLAIM, after_s, rows_max)]


async def record_answer(pool: Pool, asked: Sequence[UUID], unknown: Sequence[UUID]) -> list[UUID]:
    """Records which of these generations the session does not know; returns those that it did not know the last time
    either."""
    return [row["id"] for row in await pool.fetch(_NOTE_ANSWER, asked, unknown) if row["again"]]


async def find_unsent(pool: Pool, ids: Sequence[UUID]) -> set[UUID]:
    """Those whose request no broker has confirmed yet, or that is still sent again."""
    return {row["id"] for row in await pool.fetch(_UNSENT, list(ids), GenerationRequested.name)}


async def get_oldest_open_s(pool: Pool) -> float:
    """The age of the oldest generation that is not shown as made or ended, in seconds; 0 where all are."""
    return float(await pool.fetchval(_OLDEST))

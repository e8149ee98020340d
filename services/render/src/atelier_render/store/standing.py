"""SQL of how the providers do: how long their renders took, how their submissions ended, and which breakers are held.

Ids of generations and submissions are ordered by time: what is recent lies together in their primary keys.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from atelier_messaging.database import Pool

ROWS_MAX = 20_000
"""Attempts and submissions that one report looks at, the newest."""
FOUND_MAX = 20

_ATTEMPTS = f"""
SELECT provider, count(*)::int AS attempts, (count(*) FILTER (WHERE outcome = 'failed'))::int AS failed,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds) FILTER (WHERE outcome = 'done') AS p50_s,
       percentile_cont(0.95) WITHIN GROUP (ORDER BY seconds) FILTER (WHERE outcome = 'done') AS p95_s
FROM (
    SELECT provider, outcome, extract(epoch FROM ended_at - started_at)::float8 AS seconds FROM attempts
    WHERE generation_id >= $1 AND provider IS NOT NULL ORDER BY generation_id DESC LIMIT {ROWS_MAX}
) newest GROUP BY provider
"""  # noqa: S608 - constants only
_SUBMISSIONS = f"""
SELECT provider, outcome, count(*)::int AS number FROM (
    SELECT provider, outcome FROM submissions WHERE id >= $1 AND state = 'ended' ORDER BY id DESC LIMIT {ROWS_MAX}
) newest GROUP BY provider, outcome
"""  # noqa: S608 - constants only
_UNKNOWN = """
SELECT id, generation_id, provider, key, state, outcome, sent_at, lost_at, exposure_micros, currency,
       COALESCE(usage -> 'request_ids', '[]') AS request_ids
FROM submissions WHERE exposure_micros > 0 AND ($1::uuid IS NULL OR id < $1) ORDER BY id DESC LIMIT $2
"""
# What is open is a small partial index; its ids join the usage when it ends.
_BY_REQUEST_ID = f"""
(SELECT DISTINCT generation_id FROM submissions
 WHERE usage ? 'request_ids' AND usage -> 'request_ids' ? $1 LIMIT {FOUND_MAX})
UNION
(SELECT generation_id FROM submissions
 WHERE state <> 'ended' AND EXISTS (SELECT FROM jsonb_each_text(accepted) taken WHERE taken.value = $1)
 LIMIT {FOUND_MAX})
"""  # noqa: S608 - constants only
_OVERRIDES = """
SELECT provider, state, until, reason, operator, set_at, extract(epoch FROM until - now())::float8 AS left_s
FROM breaker_overrides WHERE until > now()
"""
_HOLD = """
INSERT INTO breaker_overrides AS o (provider, state, until, reason, operator)
VALUES ($1, $2, now() + make_interval(secs => $3), $4, $5)
ON CONFLICT (provider) DO UPDATE
SET state = excluded.state, until = excluded.until, reason = excluded.reason, operator = excluded.operator,
    set_at = now()
"""
_RELEASE = "DELETE FROM breaker_overrides WHERE provider = $1"


class BreakerOverride(NamedTuple):
    """A breaker that an operator holds ``open`` or ``closed`` for another ``left_s`` seconds."""

    provider: str
    state: str
    until: datetime
    reason: str
    operator: str
    set_at: datetime
    left_s: float


async def recent_attempts(pool: Pool, first: UUID) -> dict[str, dict[str, Any]]:
    """By provider ``{attempts, failed, p50_s, p95_s}`` of generations from this id on; the seconds of those done."""
    rows = [dict(row) for row in await pool.fetch(_ATTEMPTS, first)]
    return {row.pop("provider"): row for row in rows}


async def recent_outcomes(pool: Pool, first: UUID) -> dict[str, dict[str, int]]:
    """By provider how many submissions had which outcome, from this id on."""
    counted: dict[str, dict[str, int]] = {}
    for row in await pool.fetch(_SUBMISSIONS, first):
        counted.setdefault(row["provider"], {})[row["outcome"]] = row["number"]
    return counted


async def unknown_submissions(pool: Pool, *, before: UUID | None, limit: int) -> list[dict[str, Any]]:
    """Submissions whose cost is not known yet, the newest first."""
    return [dict(row) for row in await pool.fetch(_UNKNOWN, before, limit)]


async def find_by_request_id(pool: Pool, text: str) -> Sequence[UUID]:
    """The generations for which a provider answered under this request id of its own."""
    return [row["generation_id"] for row in await pool.fetch(_BY_REQUEST_ID, text)]


async def breaker_overrides(pool: Pool) -> list[BreakerOverride]:
    """Those that hold now."""
    return [BreakerOverride(**row) for row in await pool.fetch(_OVERRIDES)]


async def hold_breaker(pool: Pool, provider: str, state: str, seconds: float, *, reason: str, operator: str) -> None:
    """Holds a breaker from now on, in place of what held it before."""
    await pool.execute(_HOLD, provider, state, seconds, reason, operator)


async def release_breaker(pool: Pool, provider: str) -> None:
    """It follows its own counts again."""
    await pool.execute(_RELEASE, provider)

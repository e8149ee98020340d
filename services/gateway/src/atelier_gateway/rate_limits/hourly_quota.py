"""SQL of "so many accepted an hour": who was let in within the last hour, one table a surface.

Counting and entering is one act under a lock, so that of many requests at once exactly as many get in as may; one that
comes to nothing leaves again, so that only accepted ones count (settled question 9).
"""

import math
from dataclasses import dataclass
from typing import Literal, get_args
from uuid import UUID

from atelier_gateway.rate_limits.limiter import RateLimitDecision, RateLimitRule
from atelier_messaging.database import Connection, Pool

HOUR_S = 3_600
Table = Literal["form_requests", "story_requests"]


@dataclass(frozen=True, slots=True)
class HourlyUsage:
    """A user's last hour: how many were accepted, and in how many seconds the oldest of them no longer counts."""

    used: int
    reset_s: float


async def get_usage(reader: Connection | Pool, table: Table, user_id: UUID) -> HourlyUsage:
    """What the user's last hour holds."""
    row = await reader.fetchrow(
        f"""
        SELECT count(*)::int AS used,
               coalesce(extract(epoch FROM min(at) + make_interval(secs => $2) - statement_timestamp()), 0)::float8
               AS reset_s
        FROM {table} WHERE user_id = $1 AND at > statement_timestamp() - make_interval(secs => $2)
        """,  # noqa: S608 - a constant
        user_id,
        float(HOUR_S),
    )
    assert row is not None, "an aggregate has one row"
    return HourlyUsage(row["used"], row["reset_s"])


async def count_request(connection: Connection, table: Table, id_: UUID, user_id: UUID) -> None:
    """Counts the request in, inside the caller's transaction and under the caller's lock."""
    insert = f"INSERT INTO {table} (id, user_id, at) VALUES ($1, $2, statement_timestamp())"  # noqa: S608 - a constant
    await connection.execute(insert, id_, user_id)


async def uncount_request(pool: Pool, table: Table, id_: UUID) -> None:
    """Takes the request out of the count: it had no effect."""
    await pool.execute(f"DELETE FROM {table} WHERE id = $1", id_)  # noqa: S608 - a constant


async def prune(pool: Pool) -> None:
    """Forgets what is long past."""
    for table in get_args(Table):
        past = f"DELETE FROM {table} WHERE at < now() - make_interval(secs => $1)"  # noqa: S608 - a constant
        await pool.execute(past, float(2 * HOUR_S))


async def count_if_below(connection: Connection, table: Table, id_: UUID, user_id: UUID, *, most: int) -> HourlyUsage:
    """The user's hour before this request, which is counted in unless it is full; of one user's, one at a time."""
    await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", f"{table}:{user_id}")
    before = await get_usage(connection, table, user_id)
    if before.used < most:
        await count_request(connection, table, id_, user_id)
    return before


def decide(rule: RateLimitRule, usage: HourlyUsage, *, is_enabled: bool) -> RateLimitDecision:
    """Whether one more is allowed after this usage; everything is, and nothing is counted, unless ``is_enabled``."""
    if not is_enabled:
        return RateLimitDecision(rule, True, rule.limit, 0, is_counted=False)
    remaining = max(0, rule.limit - usage.used)
    return RateLimitDecision(rule, remaining > 0, remaining, math.ceil(usage.reset_s))

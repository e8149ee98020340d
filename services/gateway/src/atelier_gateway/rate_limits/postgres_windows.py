"""SQL of the sliding windows: one row a window, the moments of what is in it as an array.

The row's lock makes counting and adding one act. The table is unlogged: after a crash of Postgres the windows start
empty, which costs nothing but a few requests more; every other write to it is half as dear.
"""

from atelier_gateway.rate_limits.limiter import WindowCount
from atelier_messaging.database import Pool

_TAKE = """
INSERT INTO rate_windows AS w (key, moments, allowed, expires_at)
VALUES ($1, ARRAY[statement_timestamp()], true, statement_timestamp() + make_interval(secs => $3))
ON CONFLICT (key) DO UPDATE SET (moments, allowed, expires_at) = (
    SELECT array_agg(m ORDER BY m) || CASE WHEN count(*) < $2 THEN ARRAY[statement_timestamp()] END,
           count(*) < $2,
           statement_timestamp() + make_interval(secs => $3)
    FROM unnest(w.moments) AS m WHERE m > statement_timestamp() - make_interval(secs => $3))
RETURNING allowed, cardinality(moments) AS used,
          extract(epoch FROM moments[1] + make_interval(secs => $3) - statement_timestamp())::float8 AS reset_s
"""
_PRUNE = "DELETE FROM rate_windows WHERE expires_at < now()"


class PostgresWindows:
    """Windows that every process on the same database shares."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def take(self, key: str, limit: int, window_s: int) -> WindowCount:
        """Adds one, atomically, unless the window is full."""
        row = await self._pool.fetchrow(_TAKE, key, limit, float(window_s))
        assert row is not None, "an upsert returns its row"
        return WindowCount(row["allowed"], row["used"], row["reset_s"])


async def prune(pool: Pool) -> None:
    """Removes the windows in which nothing is left."""
    await pool.execute(_PRUNE)

"""SQL of the console's sessions that were ended by a sign-out. A cookie that was copied before opens nothing after."""

from datetime import datetime

from atelier_messaging.database import Pool

# What has ended by its time as well is deleted at the next sign-out.
_END = """
WITH over AS (DELETE FROM ended_console_sessions WHERE ends_at < now())
INSERT INTO ended_console_sessions (nonce, ends_at) VALUES ($1, $2) ON CONFLICT (nonce) DO NOTHING
"""
_HAS_ENDED = "SELECT EXISTS (SELECT FROM ended_console_sessions WHERE nonce = $1)"


async def end(pool: Pool, nonce: str, ends_at: datetime) -> None:
    """Ends the session of this nonce in all replicas, which would have lasted until ``ends_at``."""
    await pool.execute(_END, nonce, ends_at)


async def has_ended(pool: Pool, nonce: str) -> bool:
    """Whether its operator has signed out of it."""
    return bool(await pool.fetchval(_HAS_ENDED, nonce))

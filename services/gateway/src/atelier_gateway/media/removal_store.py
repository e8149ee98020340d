"""SQL of objects that are to be removed from the store: noted down in the transaction that decides it.

So no lock is held while the store answers, and none is forgotten by a process that dies in between.
"""

from collections.abc import Collection

from atelier_messaging.database import Connection, Pool

_DOOM = "INSERT INTO doomed_uploads (key) SELECT unnest($1::text[]) ORDER BY 1 ON CONFLICT DO NOTHING"
_DUE = "SELECT key FROM doomed_uploads ORDER BY doomed_at LIMIT $1"
_FORGET = """
DELETE FROM doomed_uploads WHERE key IN (
    SELECT key FROM doomed_uploads WHERE key = ANY($1::text[]) ORDER BY key FOR UPDATE
)
"""


async def schedule_removal(connection: Connection, keys: Collection[str]) -> None:
    """Has these objects removed once this transaction has committed."""
    if keys:
        await connection.execute(_DOOM, list(keys))


async def list_scheduled(pool: Pool, limit: int) -> list[str]:
    """Keys of objects that are to be removed, those that wait longest first."""
    return [row["key"] for row in await pool.fetch(_DUE, limit)]


async def delete(connection: Connection, keys: Collection[str]) -> None:
    """They are gone from the store."""
    await connection.execute(_FORGET, list(keys))

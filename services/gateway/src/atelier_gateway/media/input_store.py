"""SQL of what generations are made of: an object of ours stays as long as a generation, or an upload, stands for it."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from atelier_contracts import Owner
from atelier_messaging.database import Connection, Pool
from atelier_storage.keys import is_input

_OF_GENERATION = """
SELECT DISTINCT key FROM files
WHERE generation_id = $1 AND owner_kind = $2 AND owner_id = $3 AND key IS NOT NULL AND category <> 'result'
"""
_DIGESTS = """
SELECT category, sha256 FROM files
WHERE generation_id = $1 AND owner_kind = $2 AND owner_id = $3 AND key IS NOT NULL AND category <> 'result'
ORDER BY image_order, id
"""
_PICTURES = """
SELECT key, sha256, width, height FROM files
WHERE generation_id = $1 AND owner_kind = $2 AND owner_id = $3 AND key IS NOT NULL AND width IS NOT NULL
  AND category <> 'result' ORDER BY image_order, id
"""
_TEXT_SIZE = """
SELECT size_bytes FROM files
WHERE generation_id = $1 AND owner_kind = $2 AND owner_id = $3 AND category = 'text' LIMIT 1
"""
_LOCK = "SELECT FROM files WHERE key = ANY($1::text[]) AND generation_id IS NULL ORDER BY id FOR UPDATE"
# A statement of its own: it sees the links that were committed while it waited for the lock.
_RELEASE = """
DELETE FROM files f WHERE f.key = ANY($1::text[]) AND f.generation_id IS NULL
AND NOT EXISTS (SELECT FROM files l WHERE l.key = f.key AND l.generation_id IS NOT NULL)
RETURNING f.key, f.upload_key
"""
# Older ones were looked at before: the window is many times the pause between two looks.
_UNLINKED = """
SELECT f.key FROM files f
WHERE f.generation_id IS NULL AND f.key IS NOT NULL
  AND f.created_at BETWEEN now() - make_interval(secs => $1, days => 7) AND now() - make_interval(secs => $1)
  AND NOT EXISTS (SELECT FROM files l WHERE l.key = f.key AND l.generation_id IS NOT NULL)
ORDER BY f.created_at LIMIT $2
"""
_LOCK_OF_UPLOADS = "SELECT upload_key, key FROM files WHERE upload_key = ANY($1::text[]) ORDER BY id FOR UPDATE"
_DETACH = "UPDATE files SET upload_key = NULL WHERE key = ANY($1::text[]) AND generation_id IS NULL"


@dataclass(frozen=True, slots=True)
class StoredInput:
    """A stored picture that a generation is made of; sides in pixels, ``sha256`` in hex."""

    key: str
    sha256: str
    width: int
    height: int


async def list_for_generation(connection: Connection, id_: UUID, owner: Owner) -> list[str]:
    """Keys of the stored inputs of this owner's generation."""
    rows = await connection.fetch(_OF_GENERATION, id_, owner.kind, owner.id)
    return sorted(row["key"] for row in rows if is_input(row["key"]))


async def list_digests(pool: Pool, id_: UUID, owner: Owner) -> list[tuple[str, str]]:
    """What this owner's generation is made of, in order: the category and the SHA-256 of each stored input."""
    return [(row["category"], row["sha256"]) for row in await pool.fetch(_DIGESTS, id_, owner.kind, owner.id)]


async def list_pictures(pool: Pool, id_: UUID, owner: Owner) -> list[StoredInput]:
    """The stored pictures that this owner's generation is made of."""
    return [StoredInput(**row) for row in await pool.fetch(_PICTURES, id_, owner.kind, owner.id)]


async def find_text_size(pool: Pool, id_: UUID, owner: Owner) -> int | None:
    """Bytes of the stored text that this owner's generation reads out; None where there is none."""
    size: int | None = await pool.fetchval(_TEXT_SIZE, id_, owner.kind, owner.id)
    return size


async def release(connection: Connection, keys: list[str]) -> list[str]:
    """Forgets those that no generation is made of any more; answers the objects that have to go, with the uploads that
    hold the same bytes. A generation that is linked at the same time keeps what it is made of, or does not get it."""
    if not keys:
        return []
    await connection.execute(_LOCK, keys)
    return [key for row in await connection.fetch(_RELEASE, keys) for key in (row["key"], row["upload_key"]) if key]


async def lock_for_uploads(connection: Connection, upload_keys: list[str]) -> dict[str, str]:
    """Locks the objects that hold the bytes of these uploads; answers their keys, by the key of the upload."""
    return {row["upload_key"]: row["key"] for row in await connection.fetch(_LOCK_OF_UPLOADS, upload_keys)}


async def release_with_uploads(connection: Connection, upload_keys: list[str], locked: Mapping[str, str]) -> list[str]:
    """The same for what holds the bytes of uploads that go, as far as it is locked: the uploads themselves, and what no
    generation is made of. What one is made of stays with it, and its upload does not stand for it any more."""
    keys = [locked[key] for key in upload_keys if key in locked]
    gone = await release(connection, [key for key in keys if is_input(key)])
    await connection.execute(_DETACH, keys)
    return list(dict.fromkeys([*upload_keys, *gone]))


async def list_unlinked(connection: Connection, *, older_than_s: float, limit: int) -> list[str]:
    """Some stored inputs that no generation is made of and none was made of for that long."""
    rows = await connection.fetch(_UNLINKED, older_than_s, limit)
    return [row["key"] for row in rows if is_input(row["key"])]

"""SQL of uploads: an owner's offers, how many of them are unused, and which are to be removed."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg

from atelier_contracts import Owner
from atelier_messaging.database import Connection, Pool

_LOCK_OWNER = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))"
_UNUSED = """
SELECT count(*)::int AS number, coalesce(sum(coalesce(size_bytes, $3)), 0)::bigint AS bytes
FROM uploads WHERE owner_kind = $1 AND owner_id = $2 AND NOT used
  AND (deleted_at IS NULL OR created_at > now() - make_interval(secs => $4))
"""
_INSERT = """
INSERT INTO uploads (id, owner_kind, owner_id, key, filename, content_type, size_bytes, audience)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
"""
_OF_AUDIENCE = """
SELECT count(*)::int FROM uploads
WHERE owner_kind = $1 AND owner_id = $2 AND NOT used AND audience = $3 AND deleted_at IS NULL
"""
_KEYS_OF_AUDIENCE = """
SELECT key FROM uploads
WHERE key = ANY($1::text[]) AND owner_kind = $2 AND owner_id = $3 AND audience = $4 AND deleted_at IS NULL
"""
_COLUMNS = "id, key, filename, content_type, size_bytes, used, created_at"
_ONE = f"""
SELECT {_COLUMNS} FROM uploads WHERE owner_kind = $1 AND owner_id = $2 AND id = $3 AND deleted_at IS NULL
"""  # noqa: S608 - constants only
_PAGE = f"""
SELECT {_COLUMNS} FROM uploads
WHERE owner_kind = $1 AND owner_id = $2 AND deleted_at IS NULL AND ($3::uuid IS NULL OR id < $3)
ORDER BY id DESC LIMIT $4
"""  # noqa: S608 - constants only
_IS_DELETED = "SELECT EXISTS (SELECT FROM uploads WHERE key = $1 AND deleted_at IS NOT NULL)"
_MARK_DELETED = """
UPDATE uploads SET deleted_at = now(), used = false WHERE id IN (
    SELECT id FROM uploads WHERE key = ANY($1::text[]) AND deleted_at IS NULL ORDER BY id FOR UPDATE
)
"""
_SAY_SIZE = "UPDATE uploads SET size_bytes = $2 WHERE id = $1"
_UNSIZED = f"""
SELECT {_COLUMNS} FROM uploads
WHERE size_bytes IS NULL AND deleted_at IS NULL AND created_at < now() - make_interval(secs => $1)
ORDER BY created_at LIMIT $2
"""  # noqa: S608 - constants only
_DUE = f"""
SELECT {_COLUMNS} FROM uploads
WHERE (NOT used AND deleted_at IS NULL AND created_at < now() - make_interval(secs => $1))
   OR (deleted_at IS NOT NULL AND created_at < now() - make_interval(secs => $2))
ORDER BY created_at LIMIT $3
"""  # noqa: S608 - constants only
_LOCK_UNUSED = """
SELECT id, key FROM uploads WHERE id = ANY($1::uuid[]) AND (NOT used OR deleted_at IS NOT NULL) ORDER BY id FOR UPDATE
"""
_FORGET = "DELETE FROM uploads WHERE id = ANY($1::uuid[])"


@dataclass(frozen=True, slots=True)
class StoredUpload:
    """An upload as it was offered; ``size_bytes`` is None while it is unknown."""

    id: UUID
    key: str
    filename: str
    content_type: str
    size_bytes: int | None
    used: bool
    created_at: datetime


async def count_unused(connection: Connection, owner: Owner, *, unknown_bytes: int, url_s: float) -> tuple[int, int]:
    """How many uploads of the owner no generation is made of, and their bytes; one of unknown size counts as
    ``unknown_bytes``, a deleted one counts until its URL lapses. Until the transaction ends no other one is added."""
    await connection.execute(_LOCK_OWNER, f"uploads of {owner.kind} {owner.id}")
    row = await connection.fetchrow(_UNUSED, owner.kind, owner.id, unknown_bytes, url_s)
    assert row is not None, "an aggregate without groups has one row"
    return row["number"], row["bytes"]


async def count_of_audience(connection: Connection, owner: Owner, audience: str) -> int:
    """How many unused ones the client tokens of this audience made."""
    return int(await connection.fetchval(_OF_AUDIENCE, owner.kind, owner.id, audience))


async def keys_of_audience(pool: Pool, owner: Owner, audience: str, keys: Collection[str]) -> set[str]:
    """Those of the keys that name uploads which client tokens of this audience made."""
    rows = await pool.fetch(_KEYS_OF_AUDIENCE, list(keys), owner.kind, owner.id, audience)
    return {row["key"] for row in rows}


async def insert(connection: Connection, owner: Owner, upload: StoredUpload, audience: str | None = None) -> None:
    """Writes down that it was offered; ``audience``: to a client token."""
    about = upload.filename, upload.content_type, upload.size_bytes
    await connection.execute(_INSERT, upload.id, owner.kind, owner.id, upload.key, *about, audience)


async def find(connection: Connection | Pool, owner: Owner, id_: UUID) -> StoredUpload | None:
    """The upload, if it is this owner's and not deleted."""
    row = await connection.fetchrow(_ONE, owner.kind, owner.id, id_)
    return _upload(row) if row else None


async def list_page(pool: Pool, owner: Owner, *, before: UUID | None, limit: int) -> list[StoredUpload]:
    """This owner's, newest first."""
    return [_upload(row) for row in await pool.fetch(_PAGE, owner.kind, owner.id, before, limit)]


async def mark_deleted(connection: Connection, keys: Sequence[str]) -> None:
    """Hides them; their objects are removed once more when their URLs have lapsed."""
    if keys:
        await connection.execute(_MARK_DELETED, keys)


async def is_deleted(pool: Pool, key: str) -> bool:
    """Whether its owner deleted it, or it went with what was made of it; its object may still be there."""
    return bool(await pool.fetchval(_IS_DELETED, key))


async def list_unsized(pool: Pool, *, older_than_s: float, limit: int) -> list[StoredUpload]:
    """Some whose URL has lapsed and whose size is not known."""
    return [_upload(row) for row in await pool.fetch(_UNSIZED, older_than_s, limit)]


async def set_size(connection: Connection, id_: UUID, size: int) -> None:
    """What lies there; 0 where nothing was put."""
    await connection.execute(_SAY_SIZE, id_, size)


async def list_expired(pool: Pool, *, life_s: float, url_s: float, limit: int) -> list[StoredUpload]:
    """Some that expired unused, and deleted ones whose URL has lapsed."""
    return [_upload(row) for row in await pool.fetch(_DUE, life_s, url_s, limit)]


async def lock_unused(connection: Connection, ids: Sequence[UUID]) -> dict[UUID, str]:
    """Those of them that still no generation is made of, or that are deleted: by id, their keys. None is used from here
    on until the transaction ends."""
    return {row["id"]: row["key"] for row in await connection.fetch(_LOCK_UNUSED, ids)}


async def delete(connection: Connection, ids: Sequence[UUID]) -> None:
    """They were never offered."""
    await connection.execute(_FORGET, ids)


def _upload(row: asyncpg.Record) -> StoredUpload:
    return StoredUpload(*row.values())

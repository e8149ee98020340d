"""SQL of the files of OpenAI's batches."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg

from atelier_contracts import Owner
from atelier_gateway.batches.records import Part
from atelier_messaging.database import Connection, Pool

_COLUMNS = "id, purpose, filename, size_bytes, batch_id, part, created_at, expires_at"
_LOCK_OWNER = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))"
_BYTES = """
SELECT coalesce(sum(size_bytes), 0)::bigint FROM batch_files
WHERE owner_kind = $1 AND owner_id = $2 AND content IS NOT NULL AND expires_at > now()
"""
_INSERT = f"""
INSERT INTO batch_files (owner_kind, owner_id, content, {_COLUMNS})
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
"""  # noqa: S608 - constants only
_OWNED = "owner_kind = $1 AND owner_id = $2 AND expires_at > now()"
_ONE = f"SELECT {_COLUMNS} FROM batch_files WHERE {_OWNED} AND id = $3"  # noqa: S608 - constants only
_CONTENT = f"SELECT content FROM batch_files WHERE {_OWNED} AND id = $3"  # noqa: S608 - constants only
_DELETE = f"DELETE FROM batch_files WHERE {_OWNED} AND id = $3 RETURNING id"  # noqa: S608 - constants only
_NEWEST = f"""
SELECT {_COLUMNS} FROM batch_files
WHERE {_OWNED} AND ($3::text IS NULL OR purpose = $3) AND ($4::uuid IS NULL OR id < $4) ORDER BY id DESC LIMIT $5
"""  # noqa: S608 - constants only
_OLDEST = f"""
SELECT {_COLUMNS} FROM batch_files
WHERE {_OWNED} AND ($3::text IS NULL OR purpose = $3) AND ($4::uuid IS NULL OR id > $4) ORDER BY id LIMIT $5
"""  # noqa: S608 - constants only
_PRUNE = "DELETE FROM batch_files WHERE expires_at < now()"


@dataclass(frozen=True, slots=True)
class BatchFile:
    """A file, without its content. ``part``: of which batch's rows it is made when it is read."""

    id: UUID
    purpose: str
    filename: str
    size_bytes: int
    batch_id: UUID | None
    part: Part | None
    created_at: datetime
    expires_at: datetime


async def count_bytes(connection: Connection, owner: Owner) -> int:
    """The bytes of what the owner has uploaded; until the transaction ends no other file is added."""
    await connection.execute(_LOCK_OWNER, f"batch files of {owner.kind} {owner.id}")
    return int(await connection.fetchval(_BYTES, owner.kind, owner.id))


async def insert(connection: Connection, owner: Owner, file: BatchFile, content: bytes | None = None) -> None:
    """Writes it down."""
    about = (file.id, file.purpose, file.filename, file.size_bytes, file.batch_id, file.part)
    await connection.execute(_INSERT, owner.kind, owner.id, content, *about, file.created_at, file.expires_at)


async def find(pool: Pool, owner: Owner, id_: UUID) -> BatchFile | None:
    """The file, if it is this owner's and has not expired."""
    row = await pool.fetchrow(_ONE, owner.kind, owner.id, id_)
    return _file_of(row) if row else None


async def read(pool: Pool, owner: Owner, id_: UUID) -> bytes | None:
    """What was uploaded; None for any other file."""
    content: bytes | None = await pool.fetchval(_CONTENT, owner.kind, owner.id, id_)
    return content


async def list_page(
    pool: Pool, owner: Owner, *, purpose: str | None, after: UUID | None, limit: int, newest_first: bool
) -> list[BatchFile]:
    """This owner's, beyond ``after``."""
    sql = _NEWEST if newest_first else _OLDEST
    return [_file_of(row) for row in await pool.fetch(sql, owner.kind, owner.id, purpose, after, limit)]


async def delete(pool: Pool, owner: Owner, id_: UUID) -> bool:
    """Removes it for good; whether there was such a one."""
    return await pool.fetchval(_DELETE, owner.kind, owner.id, id_) is not None


async def prune(pool: Pool) -> None:
    """Removes what has expired."""
    await pool.execute(_PRUNE)


def _file_of(row: asyncpg.Record) -> BatchFile:
    return BatchFile(*row.values())

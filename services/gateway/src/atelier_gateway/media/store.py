"""SQL of the pictures and texts: what lies in the object store or was named by URL, whose it is, its true measures."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit
from uuid import UUID

import asyncpg
from uuid_utils.compat import uuid7

from atelier_contracts import InputRef, Owner
from atelier_contracts.value_objects import Role
from atelier_messaging import Transaction
from atelier_messaging.database import Connection, Pool
from atelier_storage.keys import is_upload, safe_filename

Category = Literal["product_image", "model_image", "person", "garment", "photo", "image", "mask", "text", "result"]
CATEGORIES: Mapping[Role, Category] = {
    "product": "product_image",
    "model": "model_image",
    "person": "person",
    "garment": "garment",
    "photo": "photo",
    "image": "image",
    "mask": "mask",
    "text": "text",
}

_INSERT = """
INSERT INTO files (id, owner_kind, owner_id, category, filename, key, content_type, format, size_bytes, width, height,
                   sha256, upload_key)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
ON CONFLICT DO NOTHING
RETURNING key
"""
_FIND = """
SELECT key, upload_key, content_type, width, height, size_bytes, sha256
FROM files WHERE (key = ANY($1::text[]) OR upload_key = ANY($1::text[])) AND owner_kind = $2 AND owner_id = $3
"""
_DELETE = "DELETE FROM files WHERE key = $1 AND owner_kind = $2 AND owner_id = $3"
# A row that is about to be released with its last generation (``input_store.py``) is waited for, and then not there.
_HOLD = "SELECT id FROM files WHERE key = ANY($1::text[]) AND generation_id IS NULL ORDER BY id FOR KEY SHARE"
_LINK = """
WITH n AS (
    SELECT * FROM unnest($2::uuid[], $3::text[], $4::uuid[], $5::uuid[], $6::text[], $7::text[], $8::text[],
                         $9::text[], $10::bool[], $11::smallint[])
        AS n(id, owner_kind, owner_id, generation_id, category, filename, key, url, is_primary, image_order)
), known AS (
    SELECT * FROM files WHERE id = ANY($1::uuid[]) AND (owner_kind, owner_id, key) IN (
        SELECT owner_kind, owner_id, key FROM n
    )
), used AS (
    UPDATE uploads SET used = true WHERE id IN (
        SELECT id FROM uploads WHERE NOT used AND deleted_at IS NULL AND key IN (SELECT upload_key FROM known)
        ORDER BY id FOR UPDATE
    )
)
INSERT INTO files (id, owner_kind, owner_id, generation_id, category, filename, key, original_url, content_type, format,
                   size_bytes, width, height, sha256, is_primary, image_order)
SELECT n.id, n.owner_kind, n.owner_id, n.generation_id, n.category, coalesce(f.filename, n.filename), n.key, n.url,
       f.content_type, f.format, f.size_bytes, f.width, f.height, f.sha256, n.is_primary, n.image_order
FROM n LEFT JOIN known f ON (f.owner_kind, f.owner_id, f.key) = (n.owner_kind, n.owner_id, n.key)
WHERE n.key IS NULL OR f.key IS NOT NULL
ON CONFLICT DO NOTHING
"""

_LINK_URLS = """
INSERT INTO files (id, owner_kind, owner_id, generation_id, category, filename, key, original_url, is_primary,
                   image_order)
SELECT * FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::uuid[], $5::text[], $6::text[], $7::text[], $8::text[],
                     $9::bool[], $10::smallint[])
ON CONFLICT DO NOTHING
"""


@dataclass(frozen=True, slots=True)
class StoredPicture:
    """A decoded picture in the object store. Sizes in bytes and pixels, ``sha256`` in hex."""

    key: str
    content_type: str
    width: int
    height: int
    size: int
    sha256: str

    @property
    def media_type(self) -> str:
        """As the object store serves it."""
        return self.content_type

    @property
    def format(self) -> str:
        """``png``, ``jpeg``, ``webp``, ``heic``, ``avif`` or ``gif``."""
        return self.content_type.partition("/")[2]


@dataclass(frozen=True, slots=True)
class StoredText:
    """A text in the object store, to be narrated. Size in bytes, ``sha256`` in hex."""

    key: str
    size: int
    sha256: str
    content_type: str = "text/plain"
    format: str = "plain"
    width: None = None
    height: None = None

    @property
    def media_type(self) -> str:
        """As the object store serves it."""
        return f"{self.content_type}; charset=utf-8"


@dataclass(frozen=True, slots=True)
class FileUse:
    """An input of a generation: an own upload by ``key``, or one out in the world by ``url``."""

    category: Category
    filename: str
    key: str | None = None
    url: str | None = None
    is_primary: bool = False
    image_order: int = 0


def file_use_of(order: int, reference: InputRef) -> FileUse:
    """An input as a file of its generation, where the surface has no names of its own."""
    name = safe_filename(reference.key or urlsplit(reference.url or "").path)
    category = CATEGORIES[reference.role]
    return FileUse(category, name, reference.key, reference.url, is_primary=order == 0, image_order=order)


StoredFile = StoredPicture | StoredText


async def insert(
    pool: Pool, owner: Owner, stored: StoredFile, *, category: Category, filename: str, upload_key: str | None = None
) -> bool:
    """Writes an object down, with the upload whose bytes it holds; False where it, or one of that upload, is there."""
    values = (
        uuid7(),
        owner.kind,
        owner.id,
        category,
        filename,
        stored.key,
        stored.content_type,
        stored.format,
        stored.size,
        stored.width,
        stored.height,
        stored.sha256,
        upload_key,
    )
    return await pool.fetchval(_INSERT, *values) is not None


async def find(pool: Pool, owner: Owner, keys: Collection[str]) -> dict[str, StoredFile]:
    """By each known key of this owner: the immutable object with its bytes.

    An upload itself is never among them: its client may still write there.
    """
    rows = await pool.fetch(_FIND, list(keys), owner.kind, owner.id)
    found = {name: _to_stored_file(row) for row in rows for name in (row["key"], row["upload_key"]) if name in keys}
    return {name: stored for name, stored in found.items() if not is_upload(stored.key)}


def _to_stored_file(row: asyncpg.Record) -> StoredFile:
    if row["width"] is None:
        return StoredText(row["key"], row["size_bytes"], row["sha256"], row["content_type"])
    sides = row["width"], row["height"]
    return StoredPicture(row["key"], row["content_type"], *sides, row["size_bytes"], row["sha256"])


async def delete(pool: Pool, owner: Owner, key: str) -> None:
    """Forgets an object of the owner, wherever it was used."""
    await pool.execute(_DELETE, key, owner.kind, owner.id)


def write_links(tx: Transaction, links: Sequence[tuple[Owner, UUID, FileUse]]) -> None:
    """Adds to what the transaction writes which pictures by URL these owners' generations (by id) are made of."""
    if links:
        tx.write("links", _LINK_URLS, *_values_of(links))


async def link(connection: Connection, links: Sequence[tuple[Owner, UUID, FileUse]]) -> None:
    """Writes down which pictures these owners' generations (by id) are made of; measures come from the uploads' own
    rows. All in one call: it locks what they use, and so may not be repeated in a transaction."""
    if not links:
        return
    held = await connection.fetch(_HOLD, [use.key for *_, use in links if use.key is not None])
    await connection.execute(_LINK, [row["id"] for row in held], *_values_of(links))


def _values_of(links: Sequence[tuple[Owner, UUID, FileUse]]) -> tuple[list[object], ...]:
    uses = [use for *_, use in links]
    return (
        [uuid7() for _ in links],
        [owner.kind for owner, *_ in links],
        [owner.id for owner, *_ in links],
        [id_ for _, id_, _ in links],
        [use.category for use in uses],
        [use.filename for use in uses],
        [use.key for use in uses],
        [use.url for use in uses],
        [use.is_primary for use in uses],
        [use.image_order for use in uses],
    )

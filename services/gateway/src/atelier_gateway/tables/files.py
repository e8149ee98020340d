"""The table of pictures and texts (``media/store.py``; 002.8)."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    SmallInteger,
    Text,
)
from sqlalchemy import text as sql
from sqlmodel import Field, SQLModel

from atelier_messaging.tables import NOW


class FileRow(SQLModel, table=True):
    """A picture, or a text to be narrated: an object of ours (``key``), or one elsewhere (``original_url``) as
    far as it is known.

    Without ``generation_id`` it is an upload as such; with it, that one as an input or a result of the generation.
    """

    __tablename__ = "files"
    __table_args__ = (
        CheckConstraint("owner_kind IN ('store', 'user', 'workspace')", name="files_owner_kind"),
        CheckConstraint(
            "category IN ('product_image', 'model_image', 'person', 'garment', 'photo', 'image', 'mask', 'text',"
            " 'result')",
            name="files_category",
        ),
        CheckConstraint("num_nonnulls(key, original_url) >= 1", name="files_where"),
        CheckConstraint("key IS NULL OR (size_bytes IS NOT NULL AND sha256 IS NOT NULL)", name="files_measured"),
        CheckConstraint("size_bytes >= 0 AND width > 0 AND height > 0", name="files_positive"),
        CheckConstraint("sha256 ~ '^[0-9a-f]{64}$'", name="files_sha256"),
        Index("files_object", "key", "generation_id", "image_order", unique=True, postgresql_nulls_not_distinct=True,
              postgresql_where=sql("key IS NOT NULL")),
        Index("files_generation", "generation_id"),
        Index("files_unlinked", "created_at", postgresql_where=sql("generation_id IS NULL AND key IS NOT NULL")),
        Index("files_upload", "upload_key", unique=True, postgresql_where=sql("upload_key IS NOT NULL")),
        Index("files_owner", "owner_kind", "owner_id", sql("created_at DESC")),
    )  # fmt: skip

    id: UUID = Field(primary_key=True)
    owner_kind: str = Field(sa_column=Column(Text, nullable=False))
    owner_id: UUID
    generation_id: UUID | None = Field(sa_column=Column(ForeignKey("generations.id", ondelete="CASCADE")))
    category: str = Field(sa_column=Column(Text, nullable=False))
    filename: str = Field(sa_column=Column(Text, nullable=False))
    key: str | None = Field(default=None, sa_column=Column(Text))
    upload_key: str | None = Field(default=None, sa_column=Column(Text))
    """The upload whose bytes these are, as they were when it was first used; in the row of the object as such."""
    original_url: str | None = Field(default=None, sa_column=Column(Text))
    content_type: str | None = Field(default=None, sa_column=Column(Text))
    format: str | None = Field(default=None, sa_column=Column(Text))
    size_bytes: int | None = Field(default=None, sa_column=Column(BigInteger))
    width: int | None = Field(default=None, sa_column=Column(Integer))
    height: int | None = Field(default=None, sa_column=Column(Integer))
    sha256: str | None = Field(default=None, sa_column=Column(Text))
    is_primary: bool = Field(sa_column=Column(Boolean, nullable=False, server_default=sql("false")))
    image_order: int = Field(sa_column=Column(SmallInteger, nullable=False, server_default=sql("0")))
    created_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False, server_default=NOW))

"""The tables of uploads and of objects to be removed (``media/upload_store.py``, ``media/removal_store.py``)."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, Boolean, CheckConstraint, Column, DateTime, Index, Text, false
from sqlalchemy import text as sql
from sqlmodel import Field, SQLModel

from atelier_messaging.tables import NOW


class UploadRow(SQLModel, table=True):
    """An upload that was offered. ``size_bytes`` is what its URL was signed for, or what lies there once that has been
    looked at; none while neither is known. A deleted one stays until its URL has lapsed: bytes may still be put there.
    """

    __tablename__ = "uploads"
    __table_args__ = (
        CheckConstraint("owner_kind IN ('store', 'user', 'workspace')", name="uploads_owner_kind"),
        CheckConstraint("size_bytes >= 0", name="uploads_size"),
        Index("uploads_key", "key", unique=True),
        Index("uploads_owner", "owner_kind", "owner_id", sql("id DESC")),
        Index("uploads_unused", "owner_kind", "owner_id", postgresql_where=sql("NOT used")),
        Index("uploads_due", "created_at", postgresql_where=sql("NOT used OR deleted_at IS NOT NULL")),
    )

    id: UUID = Field(primary_key=True)
    owner_kind: str = Field(sa_column=Column(Text, nullable=False))
    owner_id: UUID
    key: str = Field(sa_column=Column(Text, nullable=False))
    filename: str = Field(sa_column=Column(Text, nullable=False))
    content_type: str = Field(sa_column=Column(Text, nullable=False))
    size_bytes: int | None = Field(default=None, sa_column=Column(BigInteger))
    used: bool = Field(sa_column=Column(Boolean, nullable=False, server_default=false()))
    """Whether a generation is made of it."""
    created_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False, server_default=NOW))
    deleted_at: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))
    audience: str | None = Field(default=None, sa_column=Column(Text))
    """Of the client token that made it; none but tokens of this audience may use it."""


class DoomedObjectRow(SQLModel, table=True):
    """An object that is to be removed from the store: no row stands for it any more. This one goes once it is gone."""

    __tablename__ = "doomed_uploads"
    __table_args__ = (Index("doomed_uploads_doomed", "doomed_at"),)

    key: str = Field(sa_column=Column(Text, primary_key=True))
    doomed_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False, server_default=NOW))

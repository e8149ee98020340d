"""What was delivered, what is used again, and what is to be deleted. Only migrations read this file."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field, SQLModel

from atelier_render.tables.columns import text_column, time_column


class ArtefactRow(SQLModel, table=True):
    """One delivered output: where it and its thumbnail lie in the object store and what it is. ``size`` in bytes.

    It outlives its job's row: without it, its objects have no owner and are swept away.
    """

    __tablename__ = "artefacts"
    __table_args__ = (
        CheckConstraint("sha256 ~ '^[0-9a-f]{64}$'", name="artefacts_sha256"),
        CheckConstraint("size > 0", name="artefacts_size"),
        Index("artefacts_generation", "generation_id"),
        Index("artefacts_key_order", text('key COLLATE "C"')),
    )

    key: str = Field(sa_column=Column(Text, primary_key=True))
    generation_id: UUID
    content_type: str = Field(sa_column=text_column())
    size: int = Field(sa_column=Column(BigInteger, nullable=False))
    sha256: str = Field(sa_column=text_column())
    width: int | None = Field(sa_column=Column(Integer))
    height: int | None = Field(sa_column=Column(Integer))
    thumbnail: str | None = Field(sa_column=text_column(nullable=True))
    colours: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False, server_default="{}"))
    tags: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False, server_default="{}"))
    created_at: datetime = Field(sa_column=time_column(nullable=False))


class ResultRow(SQLModel, table=True):
    """One generation whose outputs lie in the store, and what they may be delivered again for: all that the picture
    depends on, as one SHA-256; absent where not all that was requested was made."""

    __tablename__ = "results"
    __table_args__ = (
        CheckConstraint("owner_kind IN ('store', 'user', 'workspace')", name="results_owner_kind"),
        CheckConstraint("octet_length(fingerprint) = 32", name="results_fingerprint"),
        Index("results_equal", "owner_id", "fingerprint", "generation_id"),
        Index("results_age", "created_at"),
        Index("results_kept", "keep_until", postgresql_where=text("keep_until IS NOT NULL")),
    )

    generation_id: UUID = Field(primary_key=True)
    owner_kind: str = Field(sa_column=text_column())
    owner_id: UUID
    provider: str = Field(sa_column=text_column())
    model: str | None = Field(sa_column=Column(Text))
    """The provider's model that made them, where its models have names."""
    reused: bool = Field(sa_column=Column(Boolean, nullable=False, server_default="false"))
    """Whether they are an equal earlier result."""
    fingerprint: bytes | None = Field(sa_column=Column(LargeBinary))
    created_at: datetime = Field(sa_column=time_column(nullable=False))
    keep_until: datetime | None = Field(sa_column=time_column())
    """When its request has them deleted; null where they are kept as long as all."""


class RemovalRow(SQLModel, table=True):
    """That outputs of a generation were removed, and why: at its owner's wish, at the end of the time they are kept,
    because they came after their refund, because they were not delivered in time, which may be a part of them, or
    because they were delivered and their request has nothing stored. A part of the job's story, which it goes with."""

    __tablename__ = "removals"
    __table_args__ = (
        CheckConstraint(
            "reason IN ('requested', 'retention', 'late', 'undelivered', 'delivered')", name="removals_reason"
        ),
    )

    generation_id: UUID = Field(primary_key=True)
    reason: str = Field(sa_column=Column(Text, primary_key=True))
    outputs: int = Field(sa_column=Column(SmallInteger, nullable=False))
    removed_at: datetime = Field(sa_column=time_column(nullable=False))


class DoomedObjectRow(SQLModel, table=True):
    """An object that is to be removed from the store, not before ``due_at``; the row goes once it is gone."""

    __tablename__ = "doomed_objects"
    __table_args__ = (Index("doomed_objects_due", "due_at"),)

    key: str = Field(sa_column=Column(Text, primary_key=True))
    reason: str = Field(sa_column=text_column())
    due_at: datetime = Field(sa_column=time_column(nullable=False))

"""Batches, their rows, and the files of OpenAI's batches (``batches/``). Only migrations read this file."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Column, DateTime, ForeignKey, Index, Integer, LargeBinary, Text
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from atelier_gateway.tables.columns import counter_column, optional_time_column, text_column, time_column


class BatchRow(SQLModel, table=True):
    """One batch. A process works at it while it holds the lease; all that it decides is in these tables."""

    __tablename__ = "batches"
    __table_args__ = (
        CheckConstraint("owner_kind IN ('store', 'user', 'workspace')", name="batches_owner_kind"),
        CheckConstraint(
            "state IN ('validating', 'failed', 'in_progress', 'finalizing', 'completed', 'expired', 'cancelling',"
            " 'cancelled')",
            name="batches_state",
        ),
        Index("batches_owner", "owner_kind", "owner_id", sql("id DESC")),
        Index(
            "batches_open",
            "owner_id",
            "id",
            postgresql_where=sql("state IN ('validating', 'in_progress', 'finalizing', 'cancelling')"),
        ),
    )

    id: UUID = Field(primary_key=True)
    owner_kind: str = text_column()
    owner_id: UUID
    channel: str = text_column()
    spenders: list[dict[str, Any]] = Field(sa_column=Column(JSONB, nullable=False))
    """Whose caps its rows count in."""
    surface: str = text_column()
    endpoint: str = text_column()
    """What each row asks for, as a path."""
    input_file_id: UUID | None = None
    attributes: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False, server_default=sql("'{}'")))
    """The client's own metadata."""
    simulate: str | None = Field(default=None, sa_column=Column(Text))
    window_s: int = Field(sa_column=Column(Integer, nullable=False))
    output_life_s: int | None = Field(default=None, sa_column=Column(Integer))
    state: str = text_column()
    rows: int = counter_column()
    quoted: int = counter_column(BigInteger)
    """The price of all rows, in credits."""
    prices: list[dict[str, Any]] = Field(sa_column=Column(JSONB, nullable=False, server_default=sql("'[]'")))
    """The signed quote of each price that its rows have."""
    errors: list[dict[str, Any]] | None = Field(default=None, sa_column=Column(JSONB))
    """Why it failed, by line."""
    output_file_id: UUID | None = None
    error_file_id: UUID | None = None
    created_at: datetime = time_column()
    expires_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    in_progress_at: datetime | None = optional_time_column()
    finalizing_at: datetime | None = optional_time_column()
    cancelling_at: datetime | None = optional_time_column()
    ended_at: datetime | None = optional_time_column()
    lease: UUID | None = None
    leased_until: datetime | None = optional_time_column()
    served_at: datetime | None = optional_time_column()
    """When its last turn began: batches take turns."""


class BatchRequestRow(SQLModel, table=True):
    """One request of a batch: at most one generation, whose id is here before it is created. What the client wrote is
    kept until the row has ended."""

    __tablename__ = "batch_rows"
    __table_args__ = (
        CheckConstraint(
            "state IN ('waiting', 'submitted', 'succeeded', 'failed', 'cancelled', 'expired')", name="batch_rows_state"
        ),
        Index("batch_rows_state", "batch_id", "state", "number"),
        Index("batch_rows_custom_id", "batch_id", "custom_id", unique=True),
        Index("batch_rows_generation", "generation_id", unique=True),
    )

    batch_id: UUID = Field(sa_column=Column(ForeignKey("batches.id", ondelete="CASCADE"), primary_key=True))
    number: int = Field(primary_key=True)
    """From 1, as lines are counted."""
    custom_id: str = text_column()
    request: dict[str, Any] | None = Field(default=None, sa_column=Column(JSONB))
    state: str = text_column()
    generation_id: UUID
    attempt: int = counter_column()
    """How many generations came to nothing before they began: each had an id of its own."""
    price: int = Field(sa_column=Column(Integer, nullable=False))
    """Which of the batch's prices it has."""
    credits: int = counter_column()
    """What was charged."""
    problem: dict[str, Any] | None = Field(default=None, sa_column=Column(JSONB))
    ended_at: datetime | None = optional_time_column()


class BatchFileRow(SQLModel, table=True):
    """A file of OpenAI's surface: an uploaded one with its content, or the output of a batch, which is made of its rows
    when it is read."""

    __tablename__ = "batch_files"
    __table_args__ = (
        CheckConstraint("owner_kind IN ('store', 'user', 'workspace')", name="batch_files_owner_kind"),
        CheckConstraint("(content IS NULL) = (part IS NOT NULL)", name="batch_files_content"),
        Index("batch_files_owner", "owner_kind", "owner_id", sql("id DESC")),
        Index("batch_files_expires", "expires_at"),
    )

    id: UUID = Field(primary_key=True)
    owner_kind: str = text_column()
    owner_id: UUID
    purpose: str = text_column()
    filename: str = text_column()
    size_bytes: int = Field(sa_column=Column(BigInteger, nullable=False))
    content: bytes | None = Field(default=None, sa_column=Column(LargeBinary))
    batch_id: UUID | None = Field(
        default=None, sa_column=Column(ForeignKey("batches.id", ondelete="CASCADE"), index=True)
    )
    part: str | None = Field(default=None, sa_column=Column(Text))
    """Of a batch: ``output`` or ``errors``."""
    created_at: datetime = time_column()
    expires_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))

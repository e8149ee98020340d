"""The tables of receipts and of the log. What was issued or entered is never changed or removed."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

_NOW = text("now()")


class UnissuedReceiptRow(SQLModel, table=True):
    """An end without a receipt yet; ``facts`` is the ``GenerationEnd`` as JSON, null where the books know all."""

    __tablename__ = "unissued_receipts"

    generation_id: UUID = Field(primary_key=True)
    facts: str | None = Field(sa_column=Column(Text))
    ended_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False, server_default=_NOW))


class ReceiptRow(SQLModel, table=True):
    """A receipt as it was signed: its canonical JSON, packed (``receipt_packing.py``); ``signature`` is over the bytes
    before that. ``body`` is how earlier ones are stored. Append-only."""

    __tablename__ = "receipts"
    __table_args__ = (
        UniqueConstraint("generation_id", "number", name="receipts_generation_number"),
        CheckConstraint("num_nonnulls(body, packed) = 1", name="receipts_stored_once"),
    )

    id: UUID = Field(primary_key=True)
    generation_id: UUID = Field()
    number: int = Field(sa_column=Column(Integer, nullable=False))
    body: str | None = Field(sa_column=Column(Text))
    key_id: str = Field(sa_column=Column(Text, nullable=False))
    signature: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    issued_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False, server_default=_NOW))
    packed: bytes | None = Field(sa_column=Column(LargeBinary))


class UnloggedEntryRow(SQLModel, table=True):
    """A posting or a receipt that is not in the log yet. Triggers write it in the transaction of the row."""

    __tablename__ = "unlogged_entries"
    __table_args__ = (CheckConstraint("kind IN ('posting', 'receipt')", name="unlogged_entries_kind"),)

    entry_id: UUID = Field(primary_key=True)
    kind: str = Field(sa_column=Column(Text, nullable=False))


class LogEntryRow(SQLModel, table=True):
    """A leaf of the log: the hash of the canonical bytes of a posting or a receipt. Append-only."""

    __tablename__ = "log_entries"
    __table_args__ = (
        CheckConstraint("kind IN ('posting', 'receipt')", name="log_entries_kind"),
        UniqueConstraint("entry_id", name="log_entries_entry"),
    )

    position: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    kind: str = Field(sa_column=Column(Text, nullable=False))
    entry_id: UUID = Field()
    leaf_hash: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class LogSubtreeRow(SQLModel, table=True):
    """The hash of a complete subtree of the log, at every eighth level."""

    __tablename__ = "log_subtrees"

    level: int = Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    position: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    hash: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class LogVerificationRow(SQLModel, table=True):
    """A verification of the log: a job in slices, one at a time, which any billing process continues. ``subtrees`` are
    the complete ones so far, by level, in base64; ``compared_…`` is the checkpoint from outside."""

    __tablename__ = "log_verifications"
    __table_args__ = (
        CheckConstraint("state IN ('running', 'passed', 'failed')", name="log_verifications_state"),
        CheckConstraint("(state = 'running') = (ended_at IS NULL)", name="log_verifications_ended"),
        CheckConstraint("(compared_size IS NULL) = (compared_root IS NULL)", name="log_verifications_compared"),
        Index("log_verifications_running", "state", unique=True, postgresql_where=text("state = 'running'")),
        Index("log_verifications_started", "started_at"),
    )

    id: UUID = Field(primary_key=True)
    state: str = Field(sa_column=Column(Text, nullable=False, server_default="running"))
    size: int = Field(sa_column=Column(BigInteger, nullable=False, server_default="0"))
    """Entries checked so far."""
    total: int = Field(sa_column=Column(BigInteger, nullable=False))
    subtrees: list[Any] = Field(sa_column=Column(JSONB, nullable=False, server_default=text("'[]'")))
    compared_size: int | None = Field(default=None, sa_column=Column(BigInteger))
    compared_root: bytes | None = Field(default=None, sa_column=Column(LargeBinary))
    compared_root_found: bytes | None = Field(default=None, sa_column=Column(LargeBinary))
    violations: list[str] = Field(sa_column=Column(JSONB, nullable=False, server_default=text("'[]'")))
    started_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False, server_default=_NOW))
    ended_at: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))


class LogCheckpointRow(SQLModel, table=True):
    """A signed checkpoint as it was published."""

    __tablename__ = "log_checkpoints"

    size: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    note: str = Field(sa_column=Column(Text, nullable=False))
    signed_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False, server_default=_NOW))

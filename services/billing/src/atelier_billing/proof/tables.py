"""The tables of receipts. What was issued is never changed or removed."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Column, DateTime, Integer, LargeBinary, Text, UniqueConstraint, text
from sqlmodel import Field, SQLModel

_NOW = text("now()")


class UnissuedReceiptRow(SQLModel, table=True):
    """An end without a receipt yet; ``facts`` is the ``GenerationEnd`` as JSON, null where the books know all."""

    __tablename__ = "unissued_receipts"

    generation_id: UUID = Field(primary_key=True)
    facts: str | None = Field(sa_column=Column(Text))
    ended_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False, server_default=_NOW))


class ReceiptRow(SQLModel, table=True):
    """A receipt as it was signed: ``body`` is its canonical JSON, ``signature`` is over these bytes. Append-only."""

    __tablename__ = "receipts"
    __table_args__ = (UniqueConstraint("generation_id", "number", name="receipts_generation_number"),)

    id: UUID = Field(primary_key=True)
    generation_id: UUID = Field()
    number: int = Field(sa_column=Column(Integer, nullable=False))
    body: str = Field(sa_column=Column(Text, nullable=False))
    key_id: str = Field(sa_column=Column(Text, nullable=False))
    signature: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    issued_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False, server_default=_NOW))

"""Requests that were refused (``identity/refusal_log.py``). Only migrations read this file."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Column, DateTime, Index, Integer, UniqueConstraint
from sqlalchemy import text as sql
from sqlmodel import Field, SQLModel

from atelier_gateway.tables.columns import text_column


class RefusalRow(SQLModel, table=True):
    """Requests of one owner that were refused alike within an hour: how many, and the last of them."""

    __tablename__ = "refusals"
    __table_args__ = (
        UniqueConstraint("owner_kind", "owner_id", "hour", "surface", "code", name="refusals_alike"),
        CheckConstraint("owner_kind IN ('store', 'user', 'workspace')", name="refusals_owner_kind"),
        CheckConstraint("number > 0", name="refusals_number"),
        Index("refusals_owner", "owner_kind", "owner_id", sql("id DESC")),
    )

    id: UUID = Field(primary_key=True)
    owner_kind: str = text_column()
    owner_id: UUID
    hour: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    surface: str = text_column()
    code: str = text_column()
    number: int = Field(sa_column=Column(Integer, nullable=False))
    last_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    detail: str = text_column()
    request_id: str = text_column()

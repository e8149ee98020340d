"""Generations made once more for free (``generations/rerenderer.py``). Only migrations read this file."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Column, Index, Text, UniqueConstraint
from sqlalchemy import text as sql
from sqlmodel import Field, SQLModel

from atelier_gateway.tables.columns import text_column, time_column


class RerenderRow(SQLModel, table=True):
    """The order of an operator, written before the new generation is. No foreign keys: it outlives both."""

    __tablename__ = "rerenders"
    __table_args__ = (
        UniqueConstraint("original_id", "key", name="rerenders_key"),
        CheckConstraint("state IN ('open', 'returned', 'uncharged')", name="rerenders_state"),
        Index("rerenders_open", "generation_id", postgresql_where=sql("state = 'open'")),
    )

    generation_id: UUID = Field(primary_key=True)
    original_id: UUID
    key: str = text_column()
    reason: str = text_column()
    operator: str = text_column()
    state: str = Field(sa_column=Column(Text, nullable=False, server_default=sql("'open'")))
    created_at: datetime = time_column()

"""The requests of seed 002's form (``generations/form_queue.py``)."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Column, DateTime, Index
from sqlalchemy import text as sql
from sqlmodel import Field, SQLModel

from atelier_gateway.tables.generations import GenerationRow
from atelier_messaging.tables import NOW

# What is pending is counted at each request; what has ended, nearly everything, stays out of this index.
Index("generations_pending", GenerationRow.__table__.c.surface, postgresql_where=sql("rank < 9"))  # type: ignore[attr-defined]


class FormRequestRow(SQLModel, table=True):
    """One accepted request, or one that is just being admitted; ``id`` is its generation's."""

    __tablename__ = "form_requests"
    __table_args__ = (Index("form_requests_user", "user_id", "at"), Index("form_requests_at", "at"))

    id: UUID = Field(primary_key=True)
    user_id: UUID
    at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False, server_default=NOW))

"""The log of public events and who subscribes to it (``subscriptions/``). Only migrations read this file."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, Boolean, CheckConstraint, Column, DateTime, Index, Text
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from atelier_contracts.public_events import GenerationDeletedFact
from atelier_gateway.tables.columns import optional_time_column, text_column, time_column
from atelier_messaging.tables import NOW


class PublicEventRow(SQLModel, table=True):
    """One public event. ``position`` has no gaps and rises in the order of commits: a reader that has seen one has seen
    all before it. ``data`` lacks what the generation's row says or, once that is deleted, the event of its deletion.
    No foreign keys."""

    __tablename__ = "public_events"
    __table_args__ = (
        Index("public_events_logged_at", "logged_at", postgresql_using="brin"),
        Index("public_events_deletions", "subject", postgresql_where=sql(f"type = '{GenerationDeletedFact.type}'")),
    )

    position: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    id: UUID
    type: str = text_column()
    subject: UUID
    at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    traceparent: str | None = Field(default=None, sa_column=Column(Text))
    data: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    logged_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False, server_default=NOW))


class PublicEventHeadRow(SQLModel, table=True):
    """One row: the position of the newest event. Its lock is what keeps positions in the order of commits."""

    __tablename__ = "public_event_head"
    __table_args__ = (CheckConstraint("here", name="public_event_head_is_one"),)

    here: bool = Field(sa_column=Column(Boolean, primary_key=True, server_default=sql("true")))
    position: int = Field(sa_column=Column(BigInteger, nullable=False, server_default=sql("0")))


class SubscriptionRow(SQLModel, table=True):
    """One subscriber. ``position`` is the last event that is in its queue; no types means all."""

    __tablename__ = "subscriptions"

    name: str = Field(sa_column=Column(Text, primary_key=True))
    types: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    position: int = Field(sa_column=Column(BigInteger, nullable=False))
    paused_at: datetime | None = optional_time_column()
    created_at: datetime = time_column()

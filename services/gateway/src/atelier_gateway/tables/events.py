"""What happened to each generation, for those who follow it live. Only migrations read this file."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, Column, DateTime, Identity, SmallInteger, Text
from sqlmodel import Field, SQLModel

from atelier_messaging.tables import NOW


class GenerationEventRow(SQLModel, table=True):
    """One change of the projection, written in the statement that makes it; ``id`` is the ``Last-Event-ID``.

    Without a foreign key: its check would cost every change more than the row does. Kept for ``events.KEPT_H``.
    """

    __tablename__ = "generation_events"
    generation_id: UUID = Field(primary_key=True)
    id: int = Field(sa_column=Column(BigInteger, Identity(always=True), primary_key=True))
    state: str = Field(sa_column=Column(Text, nullable=False))
    progress: int = Field(sa_column=Column(SmallInteger, nullable=False))
    at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False, server_default=NOW))

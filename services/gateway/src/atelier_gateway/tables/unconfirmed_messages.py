"""What was sent and may not have arrived (``peers/unconfirmed_store.py``). Only migrations read this file."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Column, Index, SmallInteger, Text
from sqlalchemy import text as sql
from sqlmodel import Field, SQLModel

from atelier_gateway.tables.columns import optional_time_column, text_column, time_column


class UnconfirmedMessageRow(SQLModel, table=True):
    """A message that is sent again until it is known to have had its effect; about a cap the latest. A command to
    billing stays after that: then a second answer is known to be one."""

    __tablename__ = "unconfirmed_messages"
    __table_args__ = (Index("unconfirmed_messages_open", "sent_at", postgresql_where=sql("confirmed_at IS NULL")),)

    subject: UUID = Field(primary_key=True)
    """The grant, the correction, the cap or the generation."""
    name: str = Field(sa_column=Column(Text, primary_key=True))
    body: str = text_column()
    ordered_at: datetime = time_column()
    sent_at: datetime = time_column()
    resends: int = Field(sa_column=Column(SmallInteger, nullable=False, server_default=sql("0")))
    confirmed_at: datetime | None = optional_time_column()

"""The three tables every service has. Declared here, created by each service's own first migration."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Boolean, CheckConstraint, Column, DateTime, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

NOW = text("now()")


class OutboxRow(SQLModel, table=True):
    """A committed message that no broker has confirmed yet. ``headers`` are those that the other columns do not say."""

    __tablename__ = "outbox"

    id: UUID = Field(primary_key=True)
    name: str = Field(sa_column=Column(Text, nullable=False))
    headers: dict[str, Any] | None = Field(sa_column=Column(JSONB))
    body: str = Field(sa_column=Column(Text, nullable=False))
    cc: str = Field(sa_column=Column(Text, nullable=False, server_default=""))
    created_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False, server_default=NOW))
    traceparent: str | None = Field(sa_column=Column(Text))


class InboxRow(SQLModel, table=True):
    """A message that this consumer has handled: it is never handled again. Kept for ``INBOX_DAYS``."""

    __tablename__ = "inbox"

    consumer: str = Field(sa_column=Column(Text, primary_key=True))
    message_id: UUID = Field(primary_key=True)
    handled_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False, server_default=NOW))


class InstallationRow(SQLModel, table=True):
    """Whose database this is: one row, written at the first start that names an installation."""

    __tablename__ = "installation"
    __table_args__ = (CheckConstraint("here", name="installation_is_one"),)

    here: bool = Field(sa_column=Column(Boolean, primary_key=True, server_default=text("true")))
    id: str = Field(sa_column=Column(Text, nullable=False))

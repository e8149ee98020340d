"""Who operates the installation, and what they did. Only migrations read this file."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Column, DateTime, Index, LargeBinary, Text
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from atelier_messaging.tables import NOW

GRANT_ID = "(details ->> 'grant_id')"


class OperatorRow(SQLModel, table=True):
    """A person who operates the installation. Of their token the prefix is kept, and the HMAC it is checked with."""

    __tablename__ = "operators"
    __table_args__ = (
        CheckConstraint("length(name) BETWEEN 1 AND 200", name="operators_name"),
        CheckConstraint("role IN ('viewer', 'operator', 'admin')", name="operators_role"),
        CheckConstraint("octet_length(digest) = 32", name="operators_digest"),
    )

    id: UUID = Field(primary_key=True)
    name: str = Field(sa_column=Column(Text, nullable=False))
    role: str = Field(sa_column=Column(Text, nullable=False))
    prefix: str = Field(sa_column=Column(Text, nullable=False, unique=True))
    digest: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    created_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False, server_default=NOW))
    last_used_at: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))
    revoked_at: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))


class AdminActRow(SQLModel, table=True):
    """One act of an operator, written in the transaction of the act. Append-only; the name is as it was then."""

    __tablename__ = "admin_acts"
    __table_args__ = (
        Index("admin_acts_target", "target_id", sql("id DESC")),
        Index("admin_acts_operator", "operator_id", sql("id DESC")),
        Index("admin_acts_grant", sql(GRANT_ID), unique=True, postgresql_where=sql("act = 'credits.grant'")),
    )

    id: UUID = Field(primary_key=True)
    at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False, server_default=NOW))
    act: str = Field(sa_column=Column(Text, nullable=False))
    target_kind: str = Field(sa_column=Column(Text, nullable=False))
    target_id: UUID | None = None
    operator_id: UUID
    operator_name: str = Field(sa_column=Column(Text, nullable=False))
    request_id: str = Field(sa_column=Column(Text, nullable=False))
    details: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False, server_default=sql("'{}'")))


class EndedConsoleSessionRow(SQLModel, table=True):
    """A session of the console that its operator has signed out of, until it would have ended by itself."""

    __tablename__ = "ended_console_sessions"

    nonce: str = Field(sa_column=Column(Text, primary_key=True))
    ends_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))

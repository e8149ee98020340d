"""The gateway's tables. Only migrations read this file; the running service speaks SQL through ``store``."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Text,
)
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from atelier_messaging.tables import NOW, InboxRow, OutboxRow

__all__ = ["InboxRow", "OutboxRow"]


def _text(*, unique: bool = False) -> Any:
    return Field(sa_column=Column(Text, nullable=False, unique=unique))


def _moment() -> Any:
    return Field(sa_column=Column(DateTime(timezone=True), nullable=False, server_default=NOW))


def _later() -> Any:
    return Field(default=None, sa_column=Column(DateTime(timezone=True)))


def _whole(column_type: Any = Integer) -> Any:
    return Field(sa_column=Column(column_type, nullable=False, server_default=sql("0")))


class StoreRow(SQLModel, table=True):
    """A merchant's store: the tenant of the B2B surface."""

    __tablename__ = "stores"
    __table_args__ = (CheckConstraint("length(name) BETWEEN 1 AND 200", name="stores_name"),)

    id: UUID = Field(primary_key=True)
    name: str = _text()
    created_at: datetime = _moment()
    suspended_at: datetime | None = _later()


class ApiKeyRow(SQLModel, table=True):
    """A store's key, as the prefix it is found by and the HMAC it is checked with. The key itself is not kept."""

    __tablename__ = "api_keys"
    __table_args__ = (
        CheckConstraint("octet_length(digest) = 32", name="api_keys_digest"),
        Index("api_keys_active", "store_id", postgresql_where=sql("revoked_at IS NULL")),
        Index("api_keys_store", "store_id", sql("id DESC")),
    )

    id: UUID = Field(primary_key=True)
    store_id: UUID = Field(sa_column=Column(ForeignKey("stores.id"), nullable=False))
    prefix: str = _text(unique=True)
    digest: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    created_at: datetime = _moment()
    revoked_at: datetime | None = _later()
    name: str = Field(sa_column=Column(Text, nullable=False, server_default=""))
    last_used_at: datetime | None = _later()


class UserRow(SQLModel, table=True):
    """A person. ``subject`` is what the issuer of their tokens calls them; our own issuer uses the id."""

    __tablename__ = "users"
    __table_args__ = (
        CheckConstraint("length(email) BETWEEN 3 AND 320", name="users_email_length"),
        Index("users_email", sql("lower(email)"), unique=True),
    )

    id: UUID = Field(primary_key=True)
    email: str = _text()
    subject: str = _text(unique=True)
    created_at: datetime = _moment()
    disabled_at: datetime | None = _later()


class WorkspaceRow(SQLModel, table=True):
    """A shared account that its members act and pay for."""

    __tablename__ = "workspaces"
    __table_args__ = (CheckConstraint("length(name) BETWEEN 1 AND 200", name="workspaces_name"),)

    id: UUID = Field(primary_key=True)
    name: str = _text()
    created_at: datetime = _moment()


class WorkspaceMemberRow(SQLModel, table=True):
    """Who may act for which workspace."""

    __tablename__ = "workspace_members"

    workspace_id: UUID = Field(sa_column=Column(ForeignKey("workspaces.id"), primary_key=True))
    user_id: UUID = Field(sa_column=Column(ForeignKey("users.id"), primary_key=True))


class GenerationRow(SQLModel, table=True):
    """The projection: what clients see of a generation. ``request`` is what was asked, as given; ``rank`` only climbs.

    The saga's own rows, one table a channel, belong to the session service.
    """

    __tablename__ = "generations"
    __table_args__ = (
        CheckConstraint("channel IN ('b2b', 'b2c')", name="generations_channel"),
        CheckConstraint("owner_kind IN ('store', 'user', 'workspace')", name="generations_owner_kind"),
        CheckConstraint(
            "(state, rank) IN (('accepted', 0), ('queued', 1), ('rendering', 2), ('succeeded', 9), ('failed', 9),"
            " ('cancelled', 9), ('expired', 9), ('rejected', 9))",
            name="generations_state",
        ),
        CheckConstraint("progress BETWEEN 0 AND 100", name="generations_progress"),
        CheckConstraint(
            "credits_reserved >= 0 AND credits_captured >= 0 AND credits_refunded >= 0", name="generations_credits"
        ),
        Index("generations_owner", "owner_kind", "owner_id", sql("id DESC")),
    )

    id: UUID = Field(primary_key=True)
    channel: str = _text()
    owner_kind: str = _text()
    owner_id: UUID
    kind: str = _text()
    surface: str = _text()
    state: str = _text()
    rank: int = _whole(SmallInteger)
    checked_at: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))
    """When the session was last asked where it stands, for want of events."""
    unknown_at: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))
    """When it first answered that it does not know it, and has answered nothing else since."""
    progress: int = _whole(SmallInteger)
    request: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    price: int = Field(sa_column=Column(Integer, nullable=False))
    credits_reserved: int = _whole()
    credits_captured: int = _whole()
    credits_refunded: int = _whole()
    outputs: list[dict[str, Any]] = Field(sa_column=Column(JSONB, nullable=False, server_default=sql("'[]'")))
    error: dict[str, Any] | None = Field(default=None, sa_column=Column(JSONB))
    maker: str | None = Field(default=None, sa_column=Column(Text))
    model: str | None = Field(default=None, sa_column=Column(Text))
    reused: bool = Field(sa_column=Column(Boolean, nullable=False, server_default=sql("false")))
    created_at: datetime = _moment()
    updated_at: datetime = _moment()
    request_id: str | None = Field(default=None, sa_column=Column(Text))
    trace_id: str | None = Field(default=None, sa_column=Column(Text))
    started_at: datetime | None = _later()
    ended_at: datetime | None = _later()


class IdempotencyRow(SQLModel, table=True):
    """A tenant's ``Idempotency-Key`` on one route: for which request, and the reply once there is one."""

    __tablename__ = "idempotency"
    __table_args__ = (
        CheckConstraint("owner_kind IN ('store', 'user', 'workspace', 'admin')", name="idempotency_owner_kind"),
        CheckConstraint("octet_length(fingerprint) = 32", name="idempotency_fingerprint"),
        CheckConstraint("(reply_status IS NULL) = (reply_body IS NULL)", name="idempotency_reply"),
        CheckConstraint("length(key) BETWEEN 1 AND 255", name="idempotency_key_length"),
        Index("idempotency_claimed_at", "claimed_at"),
    )

    owner_kind: str = Field(sa_column=Column(Text, primary_key=True))
    owner_id: UUID = Field(primary_key=True)
    route: str = Field(sa_column=Column(Text, primary_key=True))
    key: str = Field(sa_column=Column(Text, primary_key=True))
    fingerprint: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    holder: UUID
    reply_status: int | None = Field(default=None, sa_column=Column(SmallInteger))
    reply_body: bytes | None = Field(default=None, sa_column=Column(LargeBinary))
    claimed_at: datetime = _moment()

"""Stores and their API keys, users, workspaces and their members."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Boolean, CheckConstraint, Column, ForeignKey, Index, LargeBinary, Text
from sqlalchemy import text as sql
from sqlmodel import Field, SQLModel

from atelier_gateway.tables.columns import optional_time_column, text_column, time_column


class StoreRow(SQLModel, table=True):
    """A merchant's store: the tenant of the B2B surface."""

    __tablename__ = "stores"
    __table_args__ = (CheckConstraint("length(name) BETWEEN 1 AND 200", name="stores_name"),)

    id: UUID = Field(primary_key=True)
    name: str = text_column()
    created_at: datetime = time_column()
    suspended_at: datetime | None = optional_time_column()


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
    prefix: str = text_column(unique=True)
    digest: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    created_at: datetime = time_column()
    revoked_at: datetime | None = optional_time_column()
    name: str = Field(sa_column=Column(Text, nullable=False, server_default=""))
    is_test: bool = Field(sa_column=Column(Boolean, nullable=False, server_default=sql("false")))
    """Whether it acts for the store's test account."""
    last_used_at: datetime | None = optional_time_column()


class UserRow(SQLModel, table=True):
    """A person. ``subject`` is what the issuer of their tokens calls them; our own issuer uses the id."""

    __tablename__ = "users"
    __table_args__ = (
        CheckConstraint("length(email) BETWEEN 3 AND 320", name="users_email_length"),
        Index("users_email", sql("lower(email)"), unique=True),
    )

    id: UUID = Field(primary_key=True)
    email: str = text_column()
    subject: str = text_column(unique=True)
    created_at: datetime = time_column()
    disabled_at: datetime | None = optional_time_column()


class WorkspaceRow(SQLModel, table=True):
    """A shared account that its members act and pay for."""

    __tablename__ = "workspaces"
    __table_args__ = (CheckConstraint("length(name) BETWEEN 1 AND 200", name="workspaces_name"),)

    id: UUID = Field(primary_key=True)
    name: str = text_column()
    created_at: datetime = time_column()


class WorkspaceMemberRow(SQLModel, table=True):
    """Who may act for which workspace."""

    __tablename__ = "workspace_members"

    workspace_id: UUID = Field(sa_column=Column(ForeignKey("workspaces.id"), primary_key=True))
    user_id: UUID = Field(sa_column=Column(ForeignKey("users.id"), primary_key=True))

"""Client tokens and what was made with them (``identity/client_token_store.py``). Only migrations read this file."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, Boolean, CheckConstraint, Column, DateTime, ForeignKey, Index, Integer, LargeBinary, Text
from sqlalchemy import text as sql
from sqlmodel import Field, SQLModel

from atelier_gateway.tables.columns import optional_time_column, text_column, time_column


class ClientTokenRow(SQLModel, table=True):
    """A short-lived token that a store's server made with one of its keys. It ends with that key."""

    __tablename__ = "client_tokens"
    __table_args__ = (
        CheckConstraint("octet_length(digest) = 32", name="client_tokens_digest"),
        CheckConstraint("credits > 0", name="client_tokens_credits"),
        Index("client_tokens_store", "store_id", sql("id DESC")),
        Index("client_tokens_origins", "origins", postgresql_using="gin"),
        Index("client_tokens_expires", "expires_at"),
    )

    id: UUID = Field(primary_key=True)
    store_id: UUID = Field(sa_column=Column(ForeignKey("stores.id"), nullable=False))
    key_id: UUID = Field(sa_column=Column(ForeignKey("api_keys.id"), nullable=False))
    prefix: str = text_column(unique=True)
    digest: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    scopes: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    end_user: str | None = Field(default=None, sa_column=Column(Text))
    credits: int = Field(sa_column=Column(Integer, nullable=False))
    """The most that what it makes may hold and cost in all."""
    kinds: list[str] | None = Field(default=None, sa_column=Column(ARRAY(Text)))
    origins: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    created_at: datetime = time_column()
    expires_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    revoked_at: datetime | None = optional_time_column()
    is_test: bool = Field(sa_column=Column(Boolean, nullable=False, server_default=sql("false")))
    """Whether it was made with a test key, and acts for the store's test account."""


class ClientTokenGenerationRow(SQLModel, table=True):
    """A generation that was made with a client token. ``credits`` are its price, or, once it is deleted, what was
    charged for it: so the token's cap cannot be had twice. No foreign keys: it outlives both."""

    __tablename__ = "client_token_generations"
    __table_args__ = (
        CheckConstraint("credits >= 0", name="client_token_generations_credits"),
        Index("client_token_generations_token", "token_id"),
        Index("client_token_generations_audience", "owner_id", "audience", sql("generation_id DESC")),
    )

    generation_id: UUID = Field(primary_key=True)
    token_id: UUID
    owner_id: UUID
    audience: str = text_column()
    credits: int = Field(sa_column=Column(Integer, nullable=False))

"""The projection: what clients see of their generations."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Boolean, CheckConstraint, Column, Index, Integer, SmallInteger, Text
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from atelier_gateway.tables.columns import counter_column, optional_time_column, text_column, time_column


class GenerationRow(SQLModel, table=True):
    """The projection: what clients see of a generation. ``request`` is the client's own; ``rank`` only grows.

    The saga's own rows, one table a channel, belong to the session service.
    """

    __tablename__ = "generations"
    __table_args__ = (
        CheckConstraint("channel IN ('b2b', 'b2c')", name="generations_channel"),
        CheckConstraint("owner_kind IN ('store', 'user', 'workspace')", name="generations_owner_kind"),
        CheckConstraint(
            "(state, rank) IN (('accepted', 0), ('queued', 1), ('rendering', 2), ('delivering', 3),"
            " ('succeeded', 9), ('failed', 9), ('cancelled', 9), ('expired', 9), ('rejected', 9))",
            name="generations_state",
        ),
        CheckConstraint("progress BETWEEN 0 AND 100", name="generations_progress"),
        CheckConstraint(
            "credits_reserved >= 0 AND credits_captured >= 0 AND credits_refunded >= 0", name="generations_credits"
        ),
        CheckConstraint("credits_returned >= 0", name="generations_credits_returned"),
        Index("generations_owner", "owner_kind", "owner_id", sql("id DESC")),
        Index("generations_failed", "id", postgresql_where=sql("state IN ('failed', 'expired')")),
        {"postgresql_with": {"fillfactor": "75", "autovacuum_vacuum_scale_factor": "0.02"}},
    )

    id: UUID = Field(primary_key=True)
    channel: str = text_column()
    owner_kind: str = text_column()
    owner_id: UUID
    kind: str = text_column()
    surface: str = text_column()
    state: str = text_column()
    rank: int = counter_column(SmallInteger)
    checked_at: datetime | None = optional_time_column()
    """When its state was last fetched from the session, for lack of events."""
    unknown_at: datetime | None = optional_time_column()
    """When it first answered that it does not know it, and has answered nothing else since."""
    progress: int = counter_column(SmallInteger)
    request: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    price: int = Field(sa_column=Column(Integer, nullable=False))
    credits_reserved: int = counter_column()
    credits_captured: int = counter_column()
    credits_refunded: int = counter_column()
    credits_returned: int = counter_column()
    """Of what was captured, given back by corrections since."""
    outputs: list[dict[str, Any]] = Field(sa_column=Column(JSONB, nullable=False, server_default=sql("'[]'")))
    error: dict[str, Any] | None = Field(default=None, sa_column=Column(JSONB))
    maker: str | None = Field(default=None, sa_column=Column(Text))
    model: str | None = Field(default=None, sa_column=Column(Text))
    reused: bool = Field(sa_column=Column(Boolean, nullable=False, server_default=sql("false")))
    created_at: datetime = time_column()
    updated_at: datetime = time_column()
    request_id: str | None = Field(default=None, sa_column=Column(Text))
    trace_id: str | None = Field(default=None, sa_column=Column(Text))
    started_at: datetime | None = optional_time_column()
    ended_at: datetime | None = optional_time_column()
    handover: dict[str, Any] | None = Field(default=None, sa_column=Column(JSONB))
    """Of a generation that is charged on delivery: its outputs until they are delivered, and what was delivered."""

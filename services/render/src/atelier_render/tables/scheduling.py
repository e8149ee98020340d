"""Whose turn it is, how long renders take, and breakers that operators hold. Only migrations read this file."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import REAL, BigInteger, CheckConstraint, Column, DateTime, Index, Integer, Text, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field, SQLModel

from atelier_render.tables.columns import LANES, text_column, time_column


class TenantQueueRow(SQLModel, table=True):
    """How many jobs of one owner wait and run in one lane, moved in the same statements as the jobs.

    ``served`` is the owner's virtual time: it grows by one for each job claimed, and who has least goes first.
    """

    __tablename__ = "tenant_queues"
    __table_args__ = (
        CheckConstraint(LANES, name="tenant_queues_lane"),
        CheckConstraint("queued >= 0 AND running >= 0", name="tenant_queues_not_negative"),
        Index("tenant_queues_turn", "lane", "served", "owner_id", postgresql_where=text("queued > 0")),
        Index("tenant_queues_served", "lane", "served"),
        {"postgresql_with": {"fillfactor": "50", "autovacuum_vacuum_scale_factor": "0.02"}},
    )

    lane: str = Field(sa_column=Column(Text, primary_key=True))
    owner_id: UUID = Field(primary_key=True)
    queued: int = Field(sa_column=Column(Integer, nullable=False, server_default="0"))
    running: int = Field(sa_column=Column(Integer, nullable=False, server_default="0"))
    served: int = Field(sa_column=Column(BigInteger, nullable=False, server_default="0"))


class DurationRow(SQLModel, table=True):
    """The latest renders of one provider, kind and class: how many seconds each took, the newest first. Of all renders
    together where provider, kind and class are empty."""

    __tablename__ = "durations"

    provider: str = Field(sa_column=Column(Text, primary_key=True))
    kind: str = Field(sa_column=Column(Text, primary_key=True))
    class_: str = Field(sa_column=Column("class", Text, primary_key=True))
    seconds: list[float] = Field(sa_column=Column(ARRAY(REAL), nullable=False))
    measured_at: datetime = Field(sa_column=time_column(nullable=False))


class BreakerOverrideRow(SQLModel, table=True):
    """A breaker that an operator holds open or closed until a moment, whatever the provider's answers are."""

    __tablename__ = "breaker_overrides"
    __table_args__ = (CheckConstraint("state IN ('open', 'closed')", name="breaker_overrides_state"),)

    provider: str = Field(sa_column=Column(Text, primary_key=True))
    state: str = Field(sa_column=text_column())
    until: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    reason: str = Field(sa_column=text_column())
    operator: str = Field(sa_column=text_column())
    set_at: datetime = Field(sa_column=time_column(nullable=False))

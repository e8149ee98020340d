"""The tables of the session service. B2B and B2C rows live apart: two LIST partitions of one parent, by channel."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    Identity,
    Index,
    Integer,
    SmallInteger,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

import atelier_messaging.tables  # noqa: F401 - outbox and inbox belong to every service's schema

_NOW = text("now()")


def _time(default: bool = True) -> Column[datetime]:
    return Column(DateTime(timezone=True), nullable=not default, server_default=_NOW if default else None)


class AdmissionRow(SQLModel, table=True):
    """Which came first for this id: the request (``admitted``) or its withdrawal by the gateway (``withdrawn``)."""

    __tablename__ = "admissions"
    __table_args__ = (CheckConstraint("verdict IN ('admitted', 'withdrawn')", name="admissions_verdict"),)

    generation_id: UUID = Field(primary_key=True)
    verdict: str = Field(sa_column=Column(Text, nullable=False))
    created_at: datetime = Field(sa_column=_time())


class SagaRow(SQLModel, table=True):
    """One generation. Partitions: ``store_generation_sessions`` (b2b), ``generation_sessions`` (b2c)."""

    __tablename__ = "sagas"
    __table_args__ = (
        CheckConstraint(
            "state IN ('reserving', 'queued', 'rendering', 'stopping', 'delivering', 'capturing', 'refunding', "
            "'rejected', 'succeeded', 'failed', 'cancelled', 'expired')",
            name="sagas_state",
        ),
        CheckConstraint("ending IN ('failed', 'cancelled', 'expired', 'rejected')", name="sagas_ending"),
        Index("sagas_look", "look_at", postgresql_where=text("look_at IS NOT NULL")),
        {"postgresql_partition_by": "LIST (channel)"},
    )

    generation_id: UUID = Field(primary_key=True)
    channel: str = Field(sa_column=Column(Text, primary_key=True))
    owner_kind: str = Field(sa_column=Column(Text, nullable=False))
    owner_id: UUID
    state: str = Field(sa_column=Column(Text, nullable=False))
    ending: str | None = Field(sa_column=Column(Text))
    credits: int = Field(sa_column=Column(Integer, nullable=False, server_default="0"))
    result: dict[str, Any] | None = Field(sa_column=Column(JSONB))
    """The RenderCompleted, once there is one."""
    failure: dict[str, Any] | None = Field(sa_column=Column(JSONB))
    """The RenderFailed, once there is one."""
    settlement: dict[str, Any] | None = Field(sa_column=Column(JSONB))
    """The CreditCaptured, CreditRefunded or CreditDeclined, once there is one."""
    resends: int = Field(sa_column=Column(SmallInteger, nullable=False, server_default="0"))
    traceparent: str | None = Field(sa_column=Column(Text))
    deadline_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    timer_at: datetime | None = Field(sa_column=_time(default=False))
    """When the timer of the present state fires; none in a terminal state."""
    created_at: datetime = Field(sa_column=_time())
    updated_at: datetime = Field(sa_column=_time())
    look_at: datetime | None = Field(sa_column=Column(DateTime(timezone=True), nullable=True, server_default=_NOW))
    """When the timer is looked at: not after ``timer_at``. It stays when that is moved later, and so does its index."""
    request: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    """The GenerationRequested as it came: image keys and URLs, prompt, size, what the price depends on. Of a deleted
    generation only the latter."""
    delivery: dict[str, Any] | None = Field(default=None, sa_column=Column(JSONB))
    """The DeliveryRecord of a generation that is charged on delivery, once its outputs exist."""


class OpenDiscardRow(SQLModel, table=True):
    """Outputs that are to go: the DiscardRender, until render has none of them any more (``discards.py``)."""

    __tablename__ = "open_discards"

    generation_id: UUID = Field(primary_key=True)
    body: str = Field(sa_column=Column(Text, nullable=False))
    checked_at: datetime = Field(sa_column=_time())
    """When render was queried, or this was noted."""
    checks: int = Field(sa_column=Column(SmallInteger, nullable=False, server_default="0"))


class SagaLogRow(SQLModel, table=True):
    """Each trigger of a generation and its effect: the log an operator reads."""

    __tablename__ = "saga_log"

    generation_id: UUID = Field(primary_key=True)
    id: int = Field(sa_column=Column(BigInteger, Identity(always=True), primary_key=True))
    at: datetime = Field(sa_column=_time())
    state_from: str = Field(sa_column=Column(Text, nullable=False))
    heard: str = Field(sa_column=Column(Text, nullable=False))
    message_id: UUID | None = Field(default=None)
    outcome: str = Field(sa_column=Column(Text, nullable=False))
    """``transition`` or ``lost_race``."""
    state_to: str = Field(sa_column=Column(Text, nullable=False))
    sent: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))

"""Disputes of outputs, and which dispute an output has."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, CheckConstraint, Column, ForeignKey, Index, SmallInteger, Text, Uuid
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from atelier_gateway.tables.columns import counter_column, optional_time_column, text_column, time_column


class DisputeRow(SQLModel, table=True):
    """A customer's complaint about outputs of a generation, its evidence and its decision. It stays when the generation
    is deleted, without the customer's text."""

    __tablename__ = "disputes"
    __table_args__ = (
        CheckConstraint("owner_kind IN ('store', 'user', 'workspace')", name="disputes_owner_kind"),
        CheckConstraint("state IN ('refunding', 'refunded', 'declined', 'review')", name="disputes_state"),
        CheckConstraint("(state IN ('refunded', 'declined')) = (decided_at IS NOT NULL)", name="disputes_decided"),
        CheckConstraint("credits >= 0 AND (state <> 'refunding' OR credits > 0)", name="disputes_credits"),
        Index("disputes_owner", "owner_kind", "owner_id", "created_at"),
        Index("disputes_generation", "generation_id"),
        Index("disputes_review", "id", postgresql_where=sql("state = 'review'")),
    )

    id: UUID = Field(primary_key=True)
    generation_id: UUID
    owner_kind: str = text_column()
    owner_id: UUID
    reason: str = text_column()
    text: str = text_column()
    outputs: list[int] = Field(sa_column=Column(ARRAY(SmallInteger), nullable=False))
    state: str = text_column()
    rule: str = text_column()
    evidence: list[dict[str, Any]] = Field(sa_column=Column(JSONB, nullable=False))
    credits: int = counter_column()
    decided_by: str | None = Field(default=None, sa_column=Column(Text))
    """``rules``, or the name of the operator; null until then."""
    note: str | None = Field(default=None, sa_column=Column(Text))
    created_at: datetime = time_column()
    decided_at: datetime | None = optional_time_column()


class DisputedOutputRow(SQLModel, table=True):
    """An output is disputed once."""

    __tablename__ = "disputed_outputs"

    generation_id: UUID = Field(primary_key=True)
    output: int = Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    dispute_id: UUID = Field(sa_column=Column(Uuid, ForeignKey("disputes.id", ondelete="CASCADE"), nullable=False))


class GenerationDeletionRow(SQLModel, table=True):
    """Its owner has begun to delete this generation: from then on its objects go, and none of them is disputed."""

    __tablename__ = "generation_deletions"

    generation_id: UUID = Field(primary_key=True)
    began_at: datetime = time_column()

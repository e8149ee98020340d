"""Jobs, their attempts, and what was sent to providers. Only migrations read this file."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import REAL, BigInteger, CheckConstraint, Column, ForeignKey, Index, SmallInteger, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from atelier_render.tables.columns import LANES, text_column, time_column


class JobRow(SQLModel, table=True):
    """One generation to be rendered. ``attempt`` counts the leases given; a tombstone (cancelled before it was
    requested) has no owner, no spec and no deadline."""

    __tablename__ = "jobs"
    __table_args__ = (
        CheckConstraint("state IN ('queued', 'running', 'done', 'failed', 'cancelled')", name="jobs_state"),
        CheckConstraint(LANES, name="jobs_lane"),
        CheckConstraint("owner_kind IN ('store', 'user', 'workspace')", name="jobs_owner_kind"),
        CheckConstraint(
            "num_nonnulls(owner_kind, owner_id, spec, deadline_at) = 4"
            " OR state = 'cancelled' AND num_nonnulls(owner_kind, owner_id, spec, deadline_at) = 0",
            name="jobs_whole_or_tombstone",
        ),
        CheckConstraint(
            "(state = 'running') = (lease_owner IS NOT NULL) AND (state = 'running') = (lease_until IS NOT NULL)",
            name="jobs_lease_while_running",
        ),
        CheckConstraint("(state IN ('failed', 'cancelled')) = (code IS NOT NULL)", name="jobs_code_when_failed"),
        CheckConstraint("(state = 'done') = (delivered > 0)", name="jobs_delivered_when_done"),
        CheckConstraint("attempt >= 0", name="jobs_attempt"),
        CheckConstraint("num_nulls(promised_at, promised_p50_s, promised_p90_s) IN (0, 3)", name="jobs_promise_whole"),
        Index(
            "jobs_turns",
            *("lane", "owner_id", "priority", "created_at", "generation_id"),
            postgresql_where=text("state = 'queued'"),
        ),
        Index("jobs_leases", "lease_until", postgresql_where=text("state = 'running'")),
        {"postgresql_with": {"fillfactor": "70", "autovacuum_vacuum_scale_factor": "0.02"}},
    )

    generation_id: UUID = Field(primary_key=True)
    state: str = Field(sa_column=text_column())
    lane: str = Field(sa_column=Column(Text, nullable=False, server_default="paced"))
    priority: int = Field(sa_column=Column(SmallInteger, nullable=False, server_default="0"))
    owner_kind: str | None = Field(sa_column=text_column(nullable=True))
    owner_id: UUID | None = Field(default=None)
    spec: dict[str, Any] | None = Field(sa_column=Column(JSONB))
    deadline_at: datetime | None = Field(sa_column=time_column())
    attempt: int = Field(sa_column=Column(SmallInteger, nullable=False, server_default="0"))
    lease_owner: str | None = Field(sa_column=text_column(nullable=True))
    lease_until: datetime | None = Field(sa_column=time_column())
    cancel_requested_at: datetime | None = Field(sa_column=time_column())
    provider: str | None = Field(sa_column=text_column(nullable=True))
    delivered: int = Field(sa_column=Column(SmallInteger, nullable=False, server_default="0"))
    code: str | None = Field(sa_column=text_column(nullable=True))
    reason: str | None = Field(sa_column=text_column(nullable=True))
    traceparent: str | None = Field(sa_column=text_column(nullable=True))
    created_at: datetime = Field(sa_column=time_column(nullable=False))
    started_at: datetime | None = Field(sa_column=time_column())
    finished_at: datetime | None = Field(sa_column=time_column())
    promised_at: datetime | None = Field(sa_column=time_column())
    promised_p50_s: float | None = Field(sa_column=Column(REAL))
    promised_p90_s: float | None = Field(sa_column=Column(REAL))
    """The first estimate while it waited, in seconds from then to its end."""


class AttemptRow(SQLModel, table=True):
    """One attempt that has ended; the one under way is in its job's row. Append-only."""

    __tablename__ = "attempts"
    __table_args__ = (
        CheckConstraint(
            "outcome IN ('done', 'failed', 'cancelled', 'lease_lost')",
            name="attempts_outcome",
        ),
    )

    generation_id: UUID = Field(primary_key=True, foreign_key="jobs.generation_id")
    attempt: int = Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    worker: str = Field(sa_column=text_column())
    provider: str | None = Field(sa_column=text_column(nullable=True))
    outcome: str = Field(sa_column=text_column())
    reason: str | None = Field(sa_column=text_column(nullable=True))
    started_at: datetime = Field(sa_column=time_column(nullable=False))
    ended_at: datetime = Field(sa_column=time_column(nullable=False))


class SubmissionRow(SQLModel, table=True):
    """One request to a remote provider, written before it leaves; ``not_sent`` where the provider was passed over.

    At most one of a generation is open, so no process submits while an earlier answer is owed. One that is open ends
    with what is known of it, or with its job: ``abandoned`` where its answer was not awaited any more.
    """

    __tablename__ = "submissions"
    __table_args__ = (
        CheckConstraint("state IN ('sent', 'reconciling', 'ended')", name="submissions_state"),
        CheckConstraint(
            "outcome IN ('succeeded', 'partial', 'refused', 'failed', 'transient', 'rate_limited', 'unknown',"
            " 'abandoned', 'not_sent')",
            name="submissions_outcome",
        ),
        CheckConstraint(
            "(state = 'ended') = (outcome IS NOT NULL) AND (state = 'ended') = (ended_at IS NOT NULL)",
            name="submissions_ended",
        ),
        CheckConstraint("state <> 'reconciling' OR lost_at IS NOT NULL", name="submissions_lost"),
        CheckConstraint("LEAST(cost_micros, exposure_micros) >= 0", name="submissions_cost"),
        CheckConstraint(
            "COALESCE(cost_micros, exposure_micros) IS NULL OR num_nulls(currency, cost_version) = 0",
            name="submissions_currency",
        ),
        Index("submissions_generation", "generation_id"),
        Index("submissions_open", "generation_id", unique=True, postgresql_where=text("state <> 'ended'")),
        Index(
            "submissions_request_ids",
            text("(usage -> 'request_ids')"),
            postgresql_using="gin",
            postgresql_where=text("usage ? 'request_ids'"),
        ),
        Index("submissions_exposed", "id", postgresql_where=text("exposure_micros > 0")),
    )

    id: UUID = Field(primary_key=True)
    generation_id: UUID = Field(sa_column=Column(ForeignKey("jobs.generation_id", ondelete="CASCADE"), nullable=False))
    attempt: int = Field(sa_column=Column(SmallInteger, nullable=False))
    provider: str = Field(sa_column=text_column())
    key: str = Field(sa_column=text_column())
    state: str = Field(sa_column=text_column())
    outcome: str | None = Field(sa_column=text_column(nullable=True))
    reason: str | None = Field(sa_column=text_column(nullable=True))
    sent_at: datetime = Field(sa_column=time_column(nullable=False))
    lost_at: datetime | None = Field(sa_column=time_column())
    """When it was found that its answer would not come."""
    ended_at: datetime | None = Field(sa_column=time_column())
    model: str | None = Field(sa_column=text_column(nullable=True))
    """The model that the provider was sent."""
    usage: dict[str, Any] | None = Field(sa_column=Column(JSONB))
    """Calls, answers, and what the provider said that they used: see ``usage.py``."""
    cost_micros: int | None = Field(sa_column=Column(BigInteger))
    """What that costs, in millionths of the currency; null where the model has no declared price."""
    exposure_micros: int | None = Field(sa_column=Column(BigInteger))
    """The most that it may cost beyond that: while it is open, and where its outcome was never known."""
    currency: str | None = Field(sa_column=text_column(nullable=True))
    cost_version: str | None = Field(sa_column=text_column(nullable=True))
    """The version of the cost table."""
    accepted: dict[str, Any] | None = Field(sa_column=Column(JSONB))
    """The provider's own ids of the requests that it has taken, by the part that each makes: what became of them is
    asked by these."""

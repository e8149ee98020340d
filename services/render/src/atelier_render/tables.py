"""The tables of render. Imported by migrations alone; the running service writes SQL."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    REAL,
    BigInteger,
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
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlmodel import Field, SQLModel

import atelier_messaging.tables  # noqa: F401 - outbox and inbox belong to every service's schema

_NOW = text("now()")
_LANES = "lane IN ('paced', 'instant')"


def _text(*, nullable: bool = False) -> Column[str]:
    return Column(Text, nullable=nullable)


def _time(*, nullable: bool = True) -> Column[datetime]:
    return Column(DateTime(timezone=True), nullable=nullable, server_default=None if nullable else _NOW)


class JobRow(SQLModel, table=True):
    """One generation to be rendered. ``attempt`` counts the leases given; a tombstone (cancelled before it was
    requested) has no owner, no spec and no deadline."""

    __tablename__ = "jobs"
    __table_args__ = (
        CheckConstraint("state IN ('queued', 'running', 'done', 'failed', 'cancelled')", name="jobs_state"),
        CheckConstraint(_LANES, name="jobs_lane"),
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
        Index("jobs_queue", "lane", "owner_id", "priority", "generation_id", postgresql_where=text("state = 'queued'")),
        Index("jobs_leases", "lease_until", postgresql_where=text("state = 'running'")),
        {"postgresql_with": {"autovacuum_vacuum_scale_factor": "0.02"}},
    )

    generation_id: UUID = Field(primary_key=True)
    state: str = Field(sa_column=_text())
    lane: str = Field(sa_column=Column(Text, nullable=False, server_default="paced"))
    priority: int = Field(sa_column=Column(SmallInteger, nullable=False, server_default="0"))
    owner_kind: str | None = Field(sa_column=_text(nullable=True))
    owner_id: UUID | None = Field(default=None)
    spec: dict[str, Any] | None = Field(sa_column=Column(JSONB))
    deadline_at: datetime | None = Field(sa_column=_time())
    attempt: int = Field(sa_column=Column(SmallInteger, nullable=False, server_default="0"))
    lease_owner: str | None = Field(sa_column=_text(nullable=True))
    lease_until: datetime | None = Field(sa_column=_time())
    cancel_requested_at: datetime | None = Field(sa_column=_time())
    provider: str | None = Field(sa_column=_text(nullable=True))
    delivered: int = Field(sa_column=Column(SmallInteger, nullable=False, server_default="0"))
    code: str | None = Field(sa_column=_text(nullable=True))
    reason: str | None = Field(sa_column=_text(nullable=True))
    traceparent: str | None = Field(sa_column=_text(nullable=True))
    created_at: datetime = Field(sa_column=_time(nullable=False))
    started_at: datetime | None = Field(sa_column=_time())
    finished_at: datetime | None = Field(sa_column=_time())
    promised_at: datetime | None = Field(sa_column=_time())
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
    worker: str = Field(sa_column=_text())
    provider: str | None = Field(sa_column=_text(nullable=True))
    outcome: str = Field(sa_column=_text())
    reason: str | None = Field(sa_column=_text(nullable=True))
    started_at: datetime = Field(sa_column=_time(nullable=False))
    ended_at: datetime = Field(sa_column=_time(nullable=False))


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
        Index("submissions_generation", "generation_id"),
        Index("submissions_open", "generation_id", unique=True, postgresql_where=text("state <> 'ended'")),
    )

    id: UUID = Field(primary_key=True)
    generation_id: UUID = Field(sa_column=Column(ForeignKey("jobs.generation_id", ondelete="CASCADE"), nullable=False))
    attempt: int = Field(sa_column=Column(SmallInteger, nullable=False))
    provider: str = Field(sa_column=_text())
    key: str = Field(sa_column=_text())
    state: str = Field(sa_column=_text())
    outcome: str | None = Field(sa_column=_text(nullable=True))
    reason: str | None = Field(sa_column=_text(nullable=True))
    sent_at: datetime = Field(sa_column=_time(nullable=False))
    lost_at: datetime | None = Field(sa_column=_time())
    """When it was found that its answer would not come."""
    ended_at: datetime | None = Field(sa_column=_time())


class ArtefactRow(SQLModel, table=True):
    """One delivered output: where it and its thumbnail lie in the object store and what it is. ``size`` in bytes.

    It outlives its job's row: without it, its objects have no owner and are swept away.
    """

    __tablename__ = "artefacts"
    __table_args__ = (
        CheckConstraint("sha256 ~ '^[0-9a-f]{64}$'", name="artefacts_sha256"),
        CheckConstraint("size > 0", name="artefacts_size"),
        Index("artefacts_generation", "generation_id"),
    )

    key: str = Field(sa_column=Column(Text, primary_key=True))
    generation_id: UUID
    content_type: str = Field(sa_column=_text())
    size: int = Field(sa_column=Column(BigInteger, nullable=False))
    sha256: str = Field(sa_column=_text())
    width: int | None = Field(sa_column=Column(Integer))
    height: int | None = Field(sa_column=Column(Integer))
    thumbnail: str | None = Field(sa_column=_text(nullable=True))
    colours: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False, server_default="{}"))
    tags: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False, server_default="{}"))
    created_at: datetime = Field(sa_column=_time(nullable=False))


class ResultRow(SQLModel, table=True):
    """One generation whose outputs lie in the store, and what they may be delivered again for: all that the picture
    depends on, as one SHA-256; absent where not all that was requested was made."""

    __tablename__ = "results"
    __table_args__ = (
        CheckConstraint("owner_kind IN ('store', 'user', 'workspace')", name="results_owner_kind"),
        CheckConstraint("octet_length(fingerprint) = 32", name="results_fingerprint"),
        Index("results_equal", "owner_id", "fingerprint", "generation_id"),
        Index("results_age", "created_at"),
    )

    generation_id: UUID = Field(primary_key=True)
    owner_kind: str = Field(sa_column=_text())
    owner_id: UUID
    provider: str = Field(sa_column=_text())
    model: str | None = Field(sa_column=Column(Text))
    """The provider's model that made them, where its models have names."""
    reused: bool = Field(sa_column=Column(Boolean, nullable=False, server_default="false"))
    """Whether they are an equal earlier result."""
    fingerprint: bytes | None = Field(sa_column=Column(LargeBinary))
    created_at: datetime = Field(sa_column=_time(nullable=False))


class RemovalRow(SQLModel, table=True):
    """That the outputs of a generation were removed, and why: at its owner's wish, at the end of the time they are
    kept, or because they came after their refund. A part of the job's story, which it goes with."""

    __tablename__ = "removals"
    __table_args__ = (CheckConstraint("reason IN ('requested', 'retention', 'late')", name="removals_reason"),)

    generation_id: UUID = Field(primary_key=True)
    reason: str = Field(sa_column=Column(Text, primary_key=True))
    outputs: int = Field(sa_column=Column(SmallInteger, nullable=False))
    removed_at: datetime = Field(sa_column=_time(nullable=False))


class DoomedObjectRow(SQLModel, table=True):
    """An object that is to be removed from the store, not before ``due_at``; the row goes once it is gone."""

    __tablename__ = "doomed_objects"
    __table_args__ = (Index("doomed_objects_due", "due_at"),)

    key: str = Field(sa_column=Column(Text, primary_key=True))
    reason: str = Field(sa_column=_text())
    due_at: datetime = Field(sa_column=_time(nullable=False))


class TenantQueueRow(SQLModel, table=True):
    """How many jobs of one owner wait and run in one lane, moved in the same statements as the jobs.

    ``served`` is the owner's virtual time: it grows by one for each job claimed, and who has least goes first.
    """

    __tablename__ = "tenant_queues"
    __table_args__ = (
        CheckConstraint(_LANES, name="tenant_queues_lane"),
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
    measured_at: datetime = Field(sa_column=_time(nullable=False))

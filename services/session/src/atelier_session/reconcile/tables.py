"""The tables of reconciliation. Only migrations read this file."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Column, DateTime, ForeignKey, Index, Text, Uuid, text
from sqlmodel import Field, SQLModel

_NOW = text("now()")


def _count() -> Column[int]:
    return Column(BigInteger, nullable=False, server_default="0")


def _time(*, default: bool) -> Column[datetime]:
    return Column(DateTime(timezone=True), nullable=not default, server_default=_NOW if default else None)


class ReconcileRunRow(SQLModel, table=True):
    """A pass over the generations, in pages, one of a scope at a time, which any session process continues."""

    __tablename__ = "reconcile_runs"
    __table_args__ = (
        CheckConstraint("scope IN ('recent', 'full', 'bytes')", name="reconcile_runs_scope"),
        CheckConstraint("state IN ('running', 'ended')", name="reconcile_runs_state"),
        CheckConstraint("(state = 'ended') = (ended_at IS NOT NULL)", name="reconcile_runs_ended"),
        Index("reconcile_runs_running", "scope", unique=True, postgresql_where=text("state = 'running'")),
    )

    id: UUID = Field(primary_key=True)
    scope: str = Field(sa_column=Column(Text, nullable=False))
    state: str = Field(sa_column=Column(Text, nullable=False, server_default="running"))
    position: UUID
    checked: int = Field(sa_column=_count())
    in_flight: int = Field(sa_column=_count())
    found: int = Field(sa_column=_count())
    started_at: datetime = Field(sa_column=_time(default=True))
    ended_at: datetime | None = Field(sa_column=_time(default=False))


class ReconcileObjectRunRow(SQLModel, table=True):
    """How far a full run is in the listing of the object store, with which it begins; no row before its first page."""

    __tablename__ = "reconcile_object_runs"

    run_id: UUID = Field(
        sa_column=Column(Uuid, ForeignKey("reconcile_runs.id", ondelete="CASCADE"), primary_key=True, nullable=False)
    )
    after: str | None = Field(sa_column=Column(Text))
    """The last key that was compared; NULL once all are."""
    checked: int = Field(sa_column=_count())


class ReconcileFindingRow(SQLModel, table=True):
    """A disagreement between the services' records; open until a run finds them in agreement again."""

    __tablename__ = "reconcile_findings"
    __table_args__ = (
        CheckConstraint("(resolved_at IS NULL) = (resolved_by IS NULL)", name="reconcile_findings_resolved"),
        CheckConstraint("(repair IS NULL) = (repaired_at IS NULL)", name="reconcile_findings_repaired"),
        Index("reconcile_findings_open", "kind", "subject", unique=True, postgresql_where=text("resolved_at IS NULL")),
        Index("reconcile_findings_subject", "subject"),
    )

    id: UUID = Field(primary_key=True)
    kind: str = Field(sa_column=Column(Text, nullable=False))
    subject: UUID
    details: str = Field(sa_column=Column(Text, nullable=False))
    first_seen_at: datetime = Field(sa_column=_time(default=True))
    last_seen_at: datetime = Field(sa_column=_time(default=True))
    repair: str | None = Field(sa_column=Column(Text))
    """The command that was sent for it, and why."""
    repaired_at: datetime | None = Field(sa_column=_time(default=False))
    resolved_at: datetime | None = Field(sa_column=_time(default=False))
    resolved_by: str | None = Field(sa_column=Column(Text))

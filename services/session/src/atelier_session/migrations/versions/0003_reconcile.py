"""Reconciliation: its runs and its findings."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def _count(name: str) -> "sa.Column[int]":
    return sa.Column(name, sa.BigInteger(), server_default="0", nullable=False)


def upgrade() -> None:
    """Applies this version."""
    op.create_table(
        "reconcile_runs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="running", nullable=False),
        sa.Column("position", sa.Uuid(), nullable=False),
        _count("checked"),
        _count("in_flight"),
        _count("found"),
        sa.Column("started_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("scope IN ('recent', 'full', 'bytes')", name="reconcile_runs_scope"),
        sa.CheckConstraint("state IN ('running', 'ended')", name="reconcile_runs_state"),
        sa.CheckConstraint("(state = 'ended') = (ended_at IS NOT NULL)", name="reconcile_runs_ended"),
        sa.PrimaryKeyConstraint("id"),
    )
    running = sa.text("state = 'running'")
    op.create_index("reconcile_runs_running", "reconcile_runs", ["scope"], unique=True, postgresql_where=running)
    op.create_table(
        "reconcile_findings",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject", sa.Uuid(), nullable=False),
        sa.Column("details", sa.Text(), nullable=False),
        sa.Column("first_seen_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("repair", sa.Text(), nullable=True),
        sa.Column("repaired_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("resolved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("resolved_by", sa.Text(), nullable=True),
        sa.CheckConstraint("(resolved_at IS NULL) = (resolved_by IS NULL)", name="reconcile_findings_resolved"),
        sa.CheckConstraint("(repair IS NULL) = (repaired_at IS NULL)", name="reconcile_findings_repaired"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "reconcile_findings_open",
        "reconcile_findings",
        ["kind", "subject"],
        unique=True,
        postgresql_where=sa.text("resolved_at IS NULL"),
    )
    op.create_index("reconcile_findings_subject", "reconcile_findings", ["subject"], unique=False)


def downgrade() -> None:
    """Versions only go forward."""
    raise RuntimeError("restore a backup instead")

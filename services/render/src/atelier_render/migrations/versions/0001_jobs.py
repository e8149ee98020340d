"""jobs, their attempts and artefacts, and the tenants' turns."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Applies this version."""
    op.create_table(
        "inbox",
        sa.Column("consumer", sa.Text(), nullable=False),
        sa.Column("message_id", sa.Uuid(), nullable=False),
        sa.Column("handled_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("consumer", "message_id"),
    )
    op.create_index("inbox_handled_at", "inbox", ["handled_at"], unique=False)
    op.create_table(
        "jobs",
        sa.Column("generation_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("lane", sa.Text(), server_default="paced", nullable=False),
        sa.Column("priority", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("owner_kind", sa.Text(), nullable=True),
        sa.Column("owner_id", sa.Uuid(), nullable=True),
        sa.Column("spec", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("deadline_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempt", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("lease_owner", sa.Text(), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cancel_requested_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("provider", sa.Text(), nullable=True),
        sa.Column("delivered", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("code", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("traceparent", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("(state = 'done') = (delivered > 0)", name="jobs_delivered_when_done"),
        sa.CheckConstraint(
            "(state = 'running') = (lease_owner IS NOT NULL) AND (state = 'running') = (lease_until IS NOT NULL)",
            name="jobs_lease_while_running",
        ),
        sa.CheckConstraint("(state IN ('failed', 'cancelled')) = (code IS NOT NULL)", name="jobs_code_when_failed"),
        sa.CheckConstraint("lane IN ('paced', 'instant')", name="jobs_lane"),
        sa.CheckConstraint(
            "num_nonnulls(owner_kind, owner_id, spec, deadline_at) = 4 OR state = 'cancelled' AND num_nonnulls(owner_kind, owner_id, spec, deadline_at) = 0",
            name="jobs_whole_or_tombstone",
        ),
        sa.CheckConstraint("owner_kind IN ('store', 'user', 'workspace')", name="jobs_owner_kind"),
        sa.CheckConstraint("state IN ('queued', 'running', 'done', 'failed', 'cancelled')", name="jobs_state"),
        sa.CheckConstraint("attempt >= 0", name="jobs_attempt"),
        sa.PrimaryKeyConstraint("generation_id"),
        postgresql_with={"autovacuum_vacuum_scale_factor": "0.02"},
    )
    op.create_index("jobs_leases", "jobs", ["lease_until"], unique=False, postgresql_where=sa.text("state = 'running'"))
    op.create_index(
        "jobs_queue",
        "jobs",
        ["lane", "owner_id", "priority", "generation_id"],
        unique=False,
        postgresql_where=sa.text("state = 'queued'"),
    )
    op.create_table(
        "outbox",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("headers", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("cc", sa.Text(), server_default="", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("outbox_created_at", "outbox", ["created_at"], unique=False)
    op.create_table(
        "tenant_queues",
        sa.Column("lane", sa.Text(), nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=False),
        sa.Column("queued", sa.Integer(), server_default="0", nullable=False),
        sa.Column("running", sa.Integer(), server_default="0", nullable=False),
        sa.Column("served", sa.BigInteger(), server_default="0", nullable=False),
        sa.CheckConstraint("lane IN ('paced', 'instant')", name="tenant_queues_lane"),
        sa.CheckConstraint("queued >= 0 AND running >= 0", name="tenant_queues_not_negative"),
        sa.PrimaryKeyConstraint("lane", "owner_id"),
        postgresql_with={"fillfactor": "50", "autovacuum_vacuum_scale_factor": "0.02"},
    )
    op.create_index("tenant_queues_served", "tenant_queues", ["lane", "served"], unique=False)
    op.create_index(
        "tenant_queues_turn",
        "tenant_queues",
        ["lane", "served", "owner_id"],
        unique=False,
        postgresql_where=sa.text("queued > 0"),
    )
    op.create_table(
        "artefacts",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("generation_id", sa.Uuid(), nullable=False),
        sa.Column("content_type", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("width", sa.Integer(), nullable=True),
        sa.Column("height", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("sha256 ~ '^[0-9a-f]{64}$'", name="artefacts_sha256"),
        sa.CheckConstraint("size > 0", name="artefacts_size"),
        sa.ForeignKeyConstraint(
            ["generation_id"],
            ["jobs.generation_id"],
        ),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_index("artefacts_generation", "artefacts", ["generation_id"], unique=False)
    op.create_table(
        "attempts",
        sa.Column("generation_id", sa.Uuid(), nullable=False),
        sa.Column("attempt", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("worker", sa.Text(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("outcome IN ('done', 'failed', 'cancelled', 'lease_lost')", name="attempts_outcome"),
        sa.ForeignKeyConstraint(
            ["generation_id"],
            ["jobs.generation_id"],
        ),
        sa.PrimaryKeyConstraint("generation_id", "attempt"),
    )


def downgrade() -> None:
    """Versions only go forward: what was rendered and charged for is never dropped."""
    raise RuntimeError("restore a backup instead")

"""Verifications of the log, as jobs with their results."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Applies this version."""
    op.create_table(
        "log_verifications",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.Text(), server_default="running", nullable=False),
        sa.Column("size", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=False),
        sa.Column("subtrees", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'[]'"), nullable=False),
        sa.Column("compared_size", sa.BigInteger(), nullable=True),
        sa.Column("compared_root", sa.LargeBinary(), nullable=True),
        sa.Column("compared_root_found", sa.LargeBinary(), nullable=True),
        sa.Column(
            "violations", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'[]'"), nullable=False
        ),
        sa.Column("started_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("state IN ('running', 'passed', 'failed')", name="log_verifications_state"),
        sa.CheckConstraint("(state = 'running') = (ended_at IS NULL)", name="log_verifications_ended"),
        sa.CheckConstraint("(compared_size IS NULL) = (compared_root IS NULL)", name="log_verifications_compared"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "log_verifications_running",
        "log_verifications",
        ["state"],
        unique=True,
        postgresql_where=sa.text("state = 'running'"),
    )
    op.create_index("log_verifications_started", "log_verifications", ["started_at"])


def downgrade() -> None:
    """Versions only go forward: the books are never rolled back."""
    raise RuntimeError("restore a backup instead")

"""what leaves for remote providers, and what came of it."""

import sqlalchemy as sa
from alembic import op

revision = "submissions_1"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Applies this version."""
    op.create_table(
        "submissions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("generation_id", sa.Uuid(), nullable=False),
        sa.Column("attempt", sa.SmallInteger(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("sent_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("state IN ('sent', 'reconciling', 'ended')", name="submissions_state"),
        sa.CheckConstraint(
            "outcome IN ('succeeded', 'partial', 'refused', 'failed', 'transient', 'rate_limited', 'unknown', 'abandoned', 'not_sent')",
            name="submissions_outcome",
        ),
        sa.CheckConstraint(
            "(state = 'ended') = (outcome IS NOT NULL) AND (state = 'ended') = (ended_at IS NOT NULL)",
            name="submissions_ended",
        ),
        sa.ForeignKeyConstraint(["generation_id"], ["jobs.generation_id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("submissions_generation", "submissions", ["generation_id"], unique=False)
    op.create_index(
        "submissions_open",
        "submissions",
        ["generation_id"],
        unique=True,
        postgresql_where=sa.text("state <> 'ended'"),
    )


def downgrade() -> None:
    """Versions only go forward: what was rendered and charged for is never dropped."""
    raise RuntimeError("restore a backup instead")

"""how long renders took, and what was told of those that waited."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "forecasts_1"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Applies this version."""
    op.create_table(
        "durations",
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("class", sa.Text(), nullable=False),
        sa.Column("seconds", postgresql.ARRAY(sa.REAL()), nullable=False),
        sa.Column("measured_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("provider", "kind", "class"),
    )
    op.add_column("jobs", sa.Column("promised_at", sa.DateTime(timezone=True), nullable=True))
    for name in ("promised_p50_s", "promised_p90_s"):
        op.add_column("jobs", sa.Column(name, sa.REAL(), nullable=True))
    op.create_check_constraint(
        "jobs_promise_whole", "jobs", "num_nulls(promised_at, promised_p50_s, promised_p90_s) IN (0, 3)"
    )


def downgrade() -> None:
    """Versions only go forward: what was rendered and charged for is never dropped."""
    raise RuntimeError("restore a backup instead")

"""Breakers that an operator holds open or closed; submissions found by their provider's request id, and by exposure."""

import sqlalchemy as sa
from alembic import op

from atelier_messaging.migrations import build_index

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Applies this version."""
    build_index(
        "submissions_request_ids",
        "submissions",
        [sa.literal_column("(usage -> 'request_ids')")],
        postgresql_using="gin",
        postgresql_where=sa.text("usage ? 'request_ids'"),
    )
    build_index("submissions_exposed", "submissions", ["id"], postgresql_where=sa.text("exposure_micros > 0"))
    op.create_table(
        "breaker_overrides",
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("operator", sa.Text(), nullable=False),
        sa.Column("set_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("provider"),
        sa.CheckConstraint("state IN ('open', 'closed')", name="breaker_overrides_state"),
    )


def downgrade() -> None:
    """Versions only go forward."""
    raise RuntimeError("restore a backup instead")

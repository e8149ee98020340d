"""Outputs are kept as long as their request says, or not at all once they are delivered."""

import sqlalchemy as sa
from alembic import op

from atelier_messaging.migrations import build_index, replace_check

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Applies this version. Rows of the version before are read as they are."""
    op.add_column("results", sa.Column("keep_until", sa.DateTime(timezone=True), nullable=True), if_not_exists=True)
    build_index("results_kept", "results", ["keep_until"], postgresql_where=sa.text("keep_until IS NOT NULL"))
    replace_check(
        "removals", "removals_reason", "reason IN ('requested', 'retention', 'late', 'undelivered', 'delivered')"
    )


def downgrade() -> None:
    """Versions only go forward."""
    raise RuntimeError("restore a backup instead")

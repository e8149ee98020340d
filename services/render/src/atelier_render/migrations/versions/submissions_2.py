"""since when a submission's answer has been missed."""

import sqlalchemy as sa
from alembic import op

revision = "submissions_2"
down_revision = "submissions_1"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Applies this version."""
    op.add_column("submissions", sa.Column("lost_at", sa.DateTime(timezone=True), nullable=True))
    op.create_check_constraint("submissions_lost", "submissions", "state <> 'reconciling' OR lost_at IS NOT NULL")


def downgrade() -> None:
    """Versions only go forward: what was rendered and charged for is never dropped."""
    raise RuntimeError("restore a backup instead")

"""Which holds were captured for an equal earlier result."""

import sqlalchemy as sa
from alembic import op

revision = "holds_1_reused"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Applies this version."""
    op.add_column("holds", sa.Column("reused", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.create_check_constraint("holds_reuse_is_charged", "holds", "state = 'captured' OR NOT reused")


def downgrade() -> None:
    """Versions only go forward: the books are never rolled back."""
    raise RuntimeError("restore a backup instead")

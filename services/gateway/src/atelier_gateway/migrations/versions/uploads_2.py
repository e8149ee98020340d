"""doomed_uploads: what is to be removed from the store after the commit that decided it."""

import sqlalchemy as sa
from alembic import op

revision = "uploads_2"
down_revision = "uploads_1"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Applies this version."""
    op.create_table(
        "doomed_uploads",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("doomed_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_index("doomed_uploads_doomed", "doomed_uploads", ["doomed_at"])


def downgrade() -> None:
    """Versions only go forward: a ledger is never rolled back by dropping it."""
    raise RuntimeError("restore a backup instead")

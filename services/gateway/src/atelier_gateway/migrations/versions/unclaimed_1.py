"""results whose client was gone."""

import sqlalchemy as sa
from alembic import op

revision = "unclaimed_1"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Applies this version."""
    op.create_table(
        "unclaimed_results",
        sa.Column("generation_id", sa.Uuid(), nullable=False),
        sa.Column("owner_kind", sa.Text(), nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=False),
        sa.Column("route", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("left_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("generation_id"),
    )
    op.create_index(
        "unclaimed_results_request", "unclaimed_results", ["owner_id", "route", "fingerprint"], unique=False
    )


def downgrade() -> None:
    """Versions only go forward: a ledger is never rolled back by dropping it."""
    raise RuntimeError("restore a backup instead")

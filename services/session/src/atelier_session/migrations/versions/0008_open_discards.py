"""Outputs that are to go, until render has none of them any more."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Applies this version. Nothing of the version before reads the table."""
    op.create_table(
        "open_discards",
        sa.Column("generation_id", sa.Uuid(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("checked_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("checks", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("generation_id"),
    )


def downgrade() -> None:
    """Versions only go forward: what clients were told is never dropped."""
    raise RuntimeError("restore a backup instead")

"""Whose database this is."""

import sqlalchemy as sa
from alembic import op

revision = "installation_1"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Applies this version."""
    op.create_table(
        "installation",
        sa.Column("here", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.CheckConstraint("here", name="installation_is_one"),
        sa.PrimaryKeyConstraint("here"),
    )


def downgrade() -> None:
    """Versions only go forward."""
    raise RuntimeError("restore a backup instead")

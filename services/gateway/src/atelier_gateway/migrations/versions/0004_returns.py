"""What went back of a charge, in the projection."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Applies this version."""
    op.add_column(
        "generations", sa.Column("credits_returned", sa.Integer(), server_default=sa.text("0"), nullable=False)
    )
    op.execute(
        "ALTER TABLE generations ADD CONSTRAINT generations_credits_returned CHECK (credits_returned >= 0) NOT VALID"
    )
    op.execute("ALTER TABLE generations VALIDATE CONSTRAINT generations_credits_returned")


def downgrade() -> None:
    """Versions only go forward."""
    raise RuntimeError("restore a backup instead")

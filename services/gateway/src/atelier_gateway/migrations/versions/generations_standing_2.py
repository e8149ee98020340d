"""when the session first answered that it does not know a generation."""

import sqlalchemy as sa
from alembic import op

revision = "generations_standing_2"
down_revision = "generations_standing_1"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Applies this version."""
    op.add_column("generations", sa.Column("unknown_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    """Versions only go forward: what clients were told is never dropped."""
    raise RuntimeError("restore a backup instead")

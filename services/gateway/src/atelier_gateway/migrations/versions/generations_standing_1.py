"""when the session was last asked about a generation that stands still."""

import sqlalchemy as sa
from alembic import op

revision = "generations_standing_1"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Applies this version."""
    op.add_column("generations", sa.Column("checked_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    """Versions only go forward: what clients were told is never dropped."""
    raise RuntimeError("restore a backup instead")

"""billing's last word on each saga, and how often a command was sent again."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "sagas_1_settlement"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Applies this version."""
    op.add_column("sagas", sa.Column("settlement", postgresql.JSONB(astext_type=sa.Text()), nullable=True))
    op.add_column("sagas", sa.Column("resends", sa.SmallInteger(), server_default="0", nullable=False))
    op.drop_constraint("sagas_ending", "sagas", type_="check")
    endings = "ending IN ('failed', 'cancelled', 'expired', 'rejected')"
    op.create_check_constraint("sagas_ending", "sagas", endings)


def downgrade() -> None:
    """Versions only go forward: what clients were told is never dropped."""
    raise RuntimeError("restore a backup instead")

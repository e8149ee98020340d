"""who made a generation, and whether it is an earlier result again."""

import sqlalchemy as sa
from alembic import op

revision = "generations_maker_1"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Applies this version."""
    op.add_column("generations", sa.Column("maker", sa.Text(), nullable=True))
    op.add_column("generations", sa.Column("reused", sa.Boolean(), server_default=sa.text("false"), nullable=False))


def downgrade() -> None:
    """Versions only go forward: a ledger is never rolled back by dropping it."""
    raise RuntimeError("restore a backup instead")

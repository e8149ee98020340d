"""which model made a generation, and when it began and ended."""

import sqlalchemy as sa
from alembic import op

revision = "generations_maker_2"
down_revision = "generations_maker_1"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Applies this version."""
    op.add_column("generations", sa.Column("model", sa.Text(), nullable=True))
    op.add_column("generations", sa.Column("started_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("generations", sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    """Versions only go forward: a ledger is never rolled back by dropping it."""
    raise RuntimeError("restore a backup instead")

"""which request and which trace a generation came from."""

import sqlalchemy as sa
from alembic import op

revision = "generations_origin_1"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Applies this version."""
    op.add_column("generations", sa.Column("request_id", sa.Text(), nullable=True))
    op.add_column("generations", sa.Column("trace_id", sa.Text(), nullable=True))


def downgrade() -> None:
    """Versions only go forward: a ledger is never rolled back by dropping it."""
    raise RuntimeError("restore a backup instead")

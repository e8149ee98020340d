"""The inbox and the outbox without indexes by time, an outbox row without what its other columns say."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Applies this version. Rows of the version before are read as they are."""
    op.execute("ALTER TABLE jobs SET (fillfactor = 70)")
    op.drop_index("inbox_handled_at", "inbox")
    op.drop_index("outbox_created_at", "outbox")
    op.add_column("outbox", sa.Column("traceparent", sa.Text(), nullable=True))
    op.alter_column("outbox", "headers", nullable=True)


def downgrade() -> None:
    """Versions only go forward."""
    raise RuntimeError("restore a backup instead")

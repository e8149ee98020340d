"""Events, the inbox and the outbox without indexes by time, an outbox row without what its other columns say."""

import sqlalchemy as sa
from alembic import op

from atelier_messaging.migrations import build_index

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Applies this version. Rows of the version before are read as they are."""
    deleted = sa.text("type = 'generation.deleted.v1'")
    build_index("public_events_deletions", "public_events", ["subject"], postgresql_where=deleted)
    op.execute("ALTER TABLE generations SET (fillfactor = 75, autovacuum_vacuum_scale_factor = 0.02)")
    op.drop_index("generation_events_at", "generation_events")
    op.drop_index("public_events_subject", "public_events")
    op.drop_index("inbox_handled_at", "inbox")
    op.drop_index("outbox_created_at", "outbox")
    op.add_column("outbox", sa.Column("traceparent", sa.Text(), nullable=True))
    op.alter_column("outbox", "headers", nullable=True)


def downgrade() -> None:
    """Versions only go forward."""
    raise RuntimeError("restore a backup instead")

"""A tenant's jobs in the order in which the database saved them, not by their ids, which carry the gateway's clock."""

import sqlalchemy as sa
from alembic import op

from atelier_messaging.migrations import build_index

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Applies this version. The version before sorts a tenant's jobs at each claim for as long as it still runs."""
    build_index(
        "jobs_turns",
        "jobs",
        ["lane", "owner_id", "priority", "created_at", "generation_id"],
        postgresql_where=sa.text("state = 'queued'"),
    )
    op.drop_index("jobs_queue", "jobs")


def downgrade() -> None:
    """Versions only go forward."""
    raise RuntimeError("restore a backup instead")

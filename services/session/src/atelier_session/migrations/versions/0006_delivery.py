"""Generations that are charged on delivery: a state, and what was delivered. Both are quick: no row is rewritten."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from atelier_messaging.migrations import replace_check

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

STATES = (
    *("reserving", "queued", "rendering", "stopping", "delivering", "capturing", "refunding"),
    *("rejected", "succeeded", "failed", "cancelled", "expired"),
)


def upgrade() -> None:
    """Applies this version."""
    states = ", ".join(f"'{state}'" for state in STATES)
    replace_check("sagas", "sagas_state", f"state IN ({states})")
    op.add_column("sagas", sa.Column("delivery", postgresql.JSONB(), nullable=True))


def downgrade() -> None:
    """Versions only go forward: what clients were told is never dropped."""
    raise RuntimeError("restore a backup instead")

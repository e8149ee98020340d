"""Generations that are charged on delivery: a state, and the handover of their outputs. No row is rewritten."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from atelier_messaging.migrations import replace_check

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

STATES = (
    "(state, rank) IN (('accepted', 0), ('queued', 1), ('rendering', 2), ('delivering', 3), ('succeeded', 9),"
    " ('failed', 9), ('cancelled', 9), ('expired', 9), ('rejected', 9))"
)


def upgrade() -> None:
    """Applies this version."""
    replace_check("generations", "generations_state", STATES)
    op.add_column("generations", sa.Column("handover", postgresql.JSONB(), nullable=True))


def downgrade() -> None:
    """Versions only go forward."""
    raise RuntimeError("restore a backup instead")

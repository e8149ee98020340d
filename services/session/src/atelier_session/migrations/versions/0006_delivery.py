"""Generations that are charged on delivery: a state, and what was delivered. Both are quick: no row is rewritten."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

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
    op.add_column("sagas", sa.Column("delivery", postgresql.JSONB(), nullable=True))
    states = ", ".join(f"'{state}'" for state in STATES)
    op.execute(f"ALTER TABLE sagas ADD CONSTRAINT sagas_states CHECK (state IN ({states})) NOT VALID")
    op.execute("ALTER TABLE sagas VALIDATE CONSTRAINT sagas_states")
    op.execute("ALTER TABLE sagas DROP CONSTRAINT sagas_state")
    op.execute("ALTER TABLE sagas RENAME CONSTRAINT sagas_states TO sagas_state")


def downgrade() -> None:
    """Versions only go forward: what clients were told is never dropped."""
    raise RuntimeError("restore a backup instead")

"""which model made a result."""

import sqlalchemy as sa
from alembic import op

revision = "artefacts_2"
down_revision = "artefacts_1"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Applies this version."""
    op.add_column("results", sa.Column("model", sa.Text(), nullable=True))


def downgrade() -> None:
    """Versions only go forward: a ledger is never rolled back by dropping it."""
    raise RuntimeError("restore a backup instead")

"""whether a result is an equal earlier one, so that its completion can be told again."""

import sqlalchemy as sa
from alembic import op

revision = "artefacts_3"
down_revision = "artefacts_2"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Applies this version."""
    op.add_column("results", sa.Column("reused", sa.Boolean(), server_default="false", nullable=False))


def downgrade() -> None:
    """Versions only go forward: what was rendered and charged for is never dropped."""
    raise RuntimeError("restore a backup instead")

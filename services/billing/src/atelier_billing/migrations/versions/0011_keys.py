"""Usage by API key: a hold says which key it was created with. Earlier holds do not know."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Applies this version."""
    op.add_column("holds", sa.Column("key_id", sa.Uuid(), nullable=True))


def downgrade() -> None:
    """Versions only go forward."""
    raise RuntimeError("restore a backup instead")

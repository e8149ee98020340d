"""The credits that a correction's command named, so that the same key with another amount is known as another order."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Applies this version. Earlier corrections do not say what was ordered."""
    op.add_column("corrections", sa.Column("ordered", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    """Versions only go forward: the books are never rolled back."""
    raise RuntimeError("restore a backup instead")

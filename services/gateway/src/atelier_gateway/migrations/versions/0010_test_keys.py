"""Keys and client tokens of a store's test account."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Applies this version."""
    for table in ("api_keys", "client_tokens"):
        op.add_column(table, sa.Column("is_test", sa.Boolean(), server_default=sa.text("false"), nullable=False))


def downgrade() -> None:
    """Versions only go forward."""
    raise RuntimeError("restore a backup instead")

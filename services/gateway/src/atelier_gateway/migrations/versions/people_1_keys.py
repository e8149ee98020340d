"""API keys have a name and tell when they were last used; a store can be suspended."""

import sqlalchemy as sa
from alembic import op

revision = "people_1"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Applies this version."""
    op.add_column("api_keys", sa.Column("name", sa.Text(), server_default="", nullable=False))
    op.add_column("api_keys", sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index("api_keys_store", "api_keys", ["store_id", sa.text("id DESC")])
    op.add_column("stores", sa.Column("suspended_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    """Versions only go forward: a ledger is never rolled back by dropping it."""
    raise RuntimeError("restore a backup instead")

"""Generations that an operator had made once more, for free."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Applies this version."""
    op.create_table(
        "rerenders",
        sa.Column("generation_id", sa.Uuid(), nullable=False),
        sa.Column("original_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("operator", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default=sa.text("'open'"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("generation_id"),
        sa.UniqueConstraint("original_id", "key", name="rerenders_key"),
        sa.CheckConstraint("state IN ('open', 'returned', 'uncharged')", name="rerenders_state"),
    )
    op.create_index("rerenders_open", "rerenders", ["generation_id"], postgresql_where=sa.text("state = 'open'"))


def downgrade() -> None:
    """Versions only go forward."""
    raise RuntimeError("restore a backup instead")

"""Caps and their counts; a hold says under which it was reserved."""

import sqlalchemy as sa
from alembic import op

from atelier_messaging.migrations import build_index

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Applies this version."""
    op.add_column("holds", sa.Column("caps", sa.ARRAY(sa.Uuid()), nullable=True), if_not_exists=True)
    op.add_column("holds", sa.Column("capped_at", sa.DateTime(timezone=True), nullable=True), if_not_exists=True)
    build_index("holds_capped", "holds", ["owner_id", "capped_at"], postgresql_where=sa.text("capped_at IS NOT NULL"))
    op.create_table(
        "caps",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("owner_kind", sa.Text(), nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=False),
        sa.Column("spender_kind", sa.Text(), nullable=False),
        sa.Column("spender_id", sa.Uuid(), nullable=False),
        sa.Column("period", sa.Text(), nullable=False),
        sa.Column("credits", sa.BigInteger(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("held", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("captured", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("warned", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("owner_kind IN ('store', 'user', 'workspace')", name="caps_owner_kind"),
        sa.CheckConstraint("period IN ('day', 'month', 'total')", name="caps_period"),
        sa.CheckConstraint("credits >= 0", name="caps_credits"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("owner_id", "spender_id", "period", name="caps_spender"),
    )


def downgrade() -> None:
    """Versions only go forward: the books are never rolled back."""
    raise RuntimeError("restore a backup instead")

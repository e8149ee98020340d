"""What an operator asks at night: which requests were refused, what failed, and a sign-out that ends its session."""

import sqlalchemy as sa
from alembic import op

from atelier_messaging.migrations import build_index

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Applies this version."""
    build_index("generations_failed", "generations", ["id"], postgresql_where=sa.text("state IN ('failed', 'expired')"))
    op.create_table(
        "refusals",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("owner_kind", sa.Text(), nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=False),
        sa.Column("hour", sa.DateTime(timezone=True), nullable=False),
        sa.Column("surface", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("owner_kind", "owner_id", "hour", "surface", "code", name="refusals_alike"),
        sa.CheckConstraint("owner_kind IN ('store', 'user', 'workspace')", name="refusals_owner_kind"),
        sa.CheckConstraint("number > 0", name="refusals_number"),
    )
    op.create_index("refusals_owner", "refusals", ["owner_kind", "owner_id", sa.literal_column("id DESC")])
    op.create_table(
        "ended_console_sessions",
        sa.Column("nonce", sa.Text(), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("nonce"),
    )


def downgrade() -> None:
    """Versions only go forward."""
    raise RuntimeError("restore a backup instead")

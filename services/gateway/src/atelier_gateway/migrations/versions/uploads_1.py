"""uploads: what was offered, whose it is, how long it lives."""

import sqlalchemy as sa
from alembic import op

revision = "uploads_1"
down_revision = "files_3"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Applies this version."""
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "uploads",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("owner_kind", sa.Text(), nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("filename", sa.Text(), nullable=False),
        sa.Column("content_type", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=True),
        sa.Column("used", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("created_at", moment, server_default=sa.text("now()"), nullable=False),
        sa.Column("deleted_at", moment, nullable=True),
        sa.CheckConstraint("owner_kind IN ('store', 'user', 'workspace')", name="uploads_owner_kind"),
        sa.CheckConstraint("size_bytes >= 0", name="uploads_size"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("uploads_key", "uploads", ["key"], unique=True)
    op.create_index("uploads_owner", "uploads", ["owner_kind", "owner_id", sa.literal_column("id DESC")])
    op.create_index("uploads_unused", "uploads", ["owner_kind", "owner_id"], postgresql_where=sa.text("NOT used"))
    op.create_index(
        "uploads_due", "uploads", ["created_at"], postgresql_where=sa.text("NOT used OR deleted_at IS NOT NULL")
    )
    op.create_index(
        "files_unlinked",
        "files",
        ["created_at"],
        postgresql_where=sa.text("generation_id IS NULL AND key IS NOT NULL"),
    )


def downgrade() -> None:
    """Versions only go forward: a ledger is never rolled back by dropping it."""
    raise RuntimeError("restore a backup instead")

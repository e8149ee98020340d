"""pictures: uploads, inputs, results."""

import sqlalchemy as sa
from alembic import op

revision = "files_1"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Applies this version."""
    op.create_table(
        "files",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("owner_kind", sa.Text(), nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=False),
        sa.Column("generation_id", sa.Uuid(), nullable=True),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("filename", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=True),
        sa.Column("original_url", sa.Text(), nullable=True),
        sa.Column("content_type", sa.Text(), nullable=True),
        sa.Column("format", sa.Text(), nullable=True),
        sa.Column("size_bytes", sa.BigInteger(), nullable=True),
        sa.Column("width", sa.Integer(), nullable=True),
        sa.Column("height", sa.Integer(), nullable=True),
        sa.Column("sha256", sa.Text(), nullable=True),
        sa.Column("is_primary", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("image_order", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("owner_kind IN ('store', 'user', 'workspace')", name="files_owner_kind"),
        sa.CheckConstraint(
            "category IN ('product_image', 'model_image', 'person', 'garment', 'photo', 'image', 'mask', 'result')",
            name="files_category",
        ),
        sa.CheckConstraint("num_nonnulls(key, original_url) >= 1", name="files_where"),
        sa.CheckConstraint("key IS NULL OR (size_bytes IS NOT NULL AND sha256 IS NOT NULL)", name="files_measured"),
        sa.CheckConstraint("size_bytes >= 0 AND width > 0 AND height > 0", name="files_positive"),
        sa.CheckConstraint("sha256 ~ '^[0-9a-f]{64}$'", name="files_sha256"),
        sa.ForeignKeyConstraint(["generation_id"], ["generations.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "files_object",
        "files",
        ["key", "generation_id", "image_order"],
        unique=True,
        postgresql_where=sa.text("key IS NOT NULL"),
        postgresql_nulls_not_distinct=True,
    )
    op.create_index("files_generation", "files", ["generation_id"], unique=False)
    op.create_index("files_owner", "files", ["owner_kind", "owner_id", sa.literal_column("created_at DESC")])


def downgrade() -> None:
    """Versions only go forward: a ledger is never rolled back by dropping it."""
    raise RuntimeError("restore a backup instead")

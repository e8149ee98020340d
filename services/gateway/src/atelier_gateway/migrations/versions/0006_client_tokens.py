"""Tokens for pages and apps of a store's customers, what they made, and which uploads are theirs."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Applies this version."""
    op.create_table(
        "client_tokens",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("store_id", sa.Uuid(), nullable=False),
        sa.Column("key_id", sa.Uuid(), nullable=False),
        sa.Column("prefix", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("scopes", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("end_user", sa.Text(), nullable=True),
        sa.Column("credits", sa.Integer(), nullable=False),
        sa.Column("kinds", sa.ARRAY(sa.Text()), nullable=True),
        sa.Column("origins", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("octet_length(digest) = 32", name="client_tokens_digest"),
        sa.CheckConstraint("credits > 0", name="client_tokens_credits"),
        sa.ForeignKeyConstraint(["store_id"], ["stores.id"]),
        sa.ForeignKeyConstraint(["key_id"], ["api_keys.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("prefix"),
    )
    op.create_index("client_tokens_store", "client_tokens", ["store_id", sa.text("id DESC")])
    op.create_index("client_tokens_origins", "client_tokens", ["origins"], postgresql_using="gin")
    op.create_index("client_tokens_expires", "client_tokens", ["expires_at"])
    op.create_table(
        "client_token_generations",
        sa.Column("generation_id", sa.Uuid(), nullable=False),
        sa.Column("token_id", sa.Uuid(), nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=False),
        sa.Column("audience", sa.Text(), nullable=False),
        sa.Column("credits", sa.Integer(), nullable=False),
        sa.CheckConstraint("credits >= 0", name="client_token_generations_credits"),
        sa.PrimaryKeyConstraint("generation_id"),
    )
    op.create_index("client_token_generations_token", "client_token_generations", ["token_id"])
    op.create_index(
        "client_token_generations_audience",
        "client_token_generations",
        ["owner_id", "audience", sa.text("generation_id DESC")],
    )
    op.add_column("uploads", sa.Column("audience", sa.Text(), nullable=True))


def downgrade() -> None:
    """Versions only go forward."""
    raise RuntimeError("restore a backup instead")

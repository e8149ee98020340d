"""the ledger."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Applies this version."""
    op.create_table(
        "accounts",
        sa.Column("owner_id", sa.Uuid(), nullable=False),
        sa.Column("owner_kind", sa.Text(), nullable=False),
        sa.Column("granted", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("available", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("held", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("captured", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("expired", sa.BigInteger(), server_default="0", nullable=False),
        sa.CheckConstraint("owner_kind IN ('store', 'user', 'workspace')", name="accounts_owner_kind"),
        sa.CheckConstraint("LEAST(available, held, captured, expired) >= 0", name="accounts_not_overdrawn"),
        sa.CheckConstraint("granted + available + held + captured + expired = 0", name="accounts_sum_to_zero"),
        sa.CheckConstraint("granted <= 0", name="accounts_granted"),
        sa.PrimaryKeyConstraint("owner_id"),
    )
    op.create_table(
        "inbox",
        sa.Column("consumer", sa.Text(), nullable=False),
        sa.Column("message_id", sa.Uuid(), nullable=False),
        sa.Column("handled_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("consumer", "message_id"),
    )
    op.create_index("inbox_handled_at", "inbox", ["handled_at"], unique=False)
    op.create_table(
        "outbox",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("headers", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("cc", sa.Text(), server_default="", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("outbox_created_at", "outbox", ["created_at"], unique=False)
    op.create_table(
        "grants",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=False),
        sa.Column("credits", sa.BigInteger(), nullable=False),
        sa.Column("remaining", sa.BigInteger(), nullable=False),
        sa.Column("priority", sa.Integer(), server_default="0", nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("credits > 0", name="grants_credits"),
        sa.CheckConstraint("remaining BETWEEN 0 AND credits", name="grants_remaining"),
        sa.ForeignKeyConstraint(
            ["owner_id"],
            ["accounts.owner_id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("grants_due", "grants", ["expires_at"], unique=False, postgresql_where=sa.text("remaining > 0"))
    op.create_index(
        "grants_owner_left", "grants", ["owner_id"], unique=False, postgresql_where=sa.text("remaining > 0")
    )
    op.create_table(
        "holds",
        sa.Column("generation_id", sa.Uuid(), nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=True),
        sa.Column("unit_credits", sa.BigInteger(), nullable=False),
        sa.Column("units", sa.Integer(), nullable=False),
        sa.Column("price_book", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("captured", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("refunded", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "captured + refunded = CASE WHEN state = 'open' THEN 0 ELSE unit_credits * units END",
            name="holds_settled_in_full",
        ),
        sa.CheckConstraint("state = 'captured' OR captured = 0", name="holds_refund_charges_nothing"),
        sa.CheckConstraint("state IN ('open', 'captured', 'refunded')", name="holds_state"),
        sa.CheckConstraint("captured >= 0 AND refunded >= 0", name="holds_not_negative"),
        sa.ForeignKeyConstraint(
            ["owner_id"],
            ["accounts.owner_id"],
        ),
        sa.PrimaryKeyConstraint("generation_id"),
    )
    op.create_index(
        "holds_open_by_owner", "holds", ["owner_id"], unique=False, postgresql_where=sa.text("state = 'open'")
    )
    op.create_table(
        "postings",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=False),
        sa.Column("grant_id", sa.Uuid(), nullable=False),
        sa.Column("generation_id", sa.Uuid(), nullable=True),
        sa.Column("debit", sa.Text(), nullable=False),
        sa.Column("credit", sa.Text(), nullable=False),
        sa.Column("credits", sa.BigInteger(), nullable=False),
        sa.Column("posted_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "(kind, debit, credit) IN (('grant', 'granted', 'available'), ('reserve', 'available', 'held'), ('capture', 'held', 'captured'), ('refund', 'held', 'available'), ('expire', 'available', 'expired'))",
            name="postings_route",
        ),
        sa.CheckConstraint("credits > 0", name="postings_credits"),
        sa.ForeignKeyConstraint(
            ["grant_id"],
            ["grants.id"],
        ),
        sa.ForeignKeyConstraint(
            ["owner_id"],
            ["accounts.owner_id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "postings_generation",
        "postings",
        ["generation_id"],
        unique=False,
        postgresql_where=sa.text("generation_id IS NOT NULL"),
    )
    op.create_index("postings_owner", "postings", ["owner_id", "id"], unique=False)
    op.execute(
        """
        CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION 'postings are append-only: correct a mistake by a new posting'; END $$
        """
    )
    op.execute(
        """
        CREATE TRIGGER postings_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON postings
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
        """
    )


def downgrade() -> None:
    """Versions only go forward: a ledger is never rolled back by dropping it."""
    raise RuntimeError("restore a backup instead")

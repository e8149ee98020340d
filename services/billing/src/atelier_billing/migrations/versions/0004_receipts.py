"""Signed receipts: which are due, and which were issued. An issued receipt never changes."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

NOW = sa.text("now()")
TIGHTEN = """
DO $$
DECLARE app text;
BEGIN
    FOR app IN
        SELECT DISTINCT grantee FROM information_schema.role_table_grants
        WHERE table_schema = 'public' AND table_name = 'receipts' AND grantee NOT IN (current_user, 'PUBLIC')
    LOOP
        EXECUTE format('REVOKE UPDATE, DELETE, TRUNCATE ON receipts FROM %I', app);
    END LOOP;
END $$
"""


def upgrade() -> None:
    """Applies this version. Generations that ended before have no receipt."""
    op.create_table(
        "unissued_receipts",
        sa.Column("generation_id", sa.Uuid(), nullable=False),
        sa.Column("facts", sa.Text(), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), server_default=NOW, nullable=False),
        sa.PrimaryKeyConstraint("generation_id"),
    )
    op.create_table(
        "receipts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("generation_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.Column("issued_at", sa.DateTime(timezone=True), server_default=NOW, nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("generation_id", "number", name="receipts_generation_number"),
    )
    op.execute(
        """
        CREATE FUNCTION refuse_receipt_change() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION 'an issued receipt is final: issue another with the next number'; END $$
        """
    )
    op.execute(
        """
        CREATE TRIGGER receipts_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON receipts
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_receipt_change()
        """
    )
    op.execute(TIGHTEN)


def downgrade() -> None:
    """Versions only go forward: what was issued stays issued."""
    raise RuntimeError("restore a backup instead")

"""Corrections: returns of charges and grants taken back, as postings of their own."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

ROUTES = (
    "(kind, debit, credit) IN (('grant', 'granted', 'available'), ('reserve', 'available', 'held'), "
    "('capture', 'held', 'captured'), ('refund', 'held', 'available'), ('expire', 'available', 'expired'), "
    "('return', 'captured', 'available'), ('take_back', 'available', 'granted'))"
)


def upgrade() -> None:
    """Applies this version."""
    op.drop_constraint("postings_route", "postings", type_="check")
    # Every posting so far is of a route that is still there: they need not be read again under the lock.
    op.execute(f"ALTER TABLE postings ADD CONSTRAINT postings_route CHECK ({ROUTES}) NOT VALID")
    op.create_index(
        "postings_corrections",
        "postings",
        ["owner_id", "kind"],
        postgresql_where=sa.text("kind IN ('return', 'take_back')"),
    )
    op.create_table(
        "corrections",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=True),
        sa.Column("generation_id", sa.Uuid(), nullable=True),
        sa.Column("grant_id", sa.Uuid(), nullable=True),
        sa.Column("credits", sa.BigInteger(), nullable=False),
        sa.Column("refused", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("kind IN ('return', 'take_back')", name="corrections_kind"),
        sa.CheckConstraint("credits >= 0 AND (refused IS NULL OR credits = 0)", name="corrections_credits"),
        sa.CheckConstraint("(kind = 'return') = (generation_id IS NOT NULL)", name="corrections_generation"),
        sa.CheckConstraint("credits = 0 OR owner_id IS NOT NULL", name="corrections_owner"),
        sa.ForeignKeyConstraint(["owner_id"], ["accounts.owner_id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.execute(
        """
        CREATE FUNCTION refuse_correction_change() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION 'corrections are append-only: correct a correction by another one'; END $$
        """
    )
    op.execute(
        """
        CREATE TRIGGER corrections_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON corrections
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_correction_change()
        """
    )


def downgrade() -> None:
    """Versions only go forward: the books are never rolled back."""
    raise RuntimeError("restore a backup instead")

"""The checkpoint of the books: what is proven, what is not yet, and full proofs as jobs. What is settled cannot change."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "ledger_1_checkpoint"
down_revision = "holds_1_reused"
branch_labels = None
depends_on = None

ACCOUNTS = ("granted", "available", "held", "captured", "expired")


def upgrade() -> None:
    """Applies this version. Postings that are there already count as proven, and a full proof of them is ordered."""
    # In this order, as the services lock: no posting may come between the totals and the trigger.
    op.execute("LOCK TABLE holds, postings IN SHARE ROW EXCLUSIVE MODE")
    _create_tables()
    op.execute(
        """
        INSERT INTO proven_accounts (owner_id, granted, available, held, captured, expired, entries)
        SELECT p.owner_id, sum(m.granted), sum(m.available), sum(m.held), sum(m.captured), sum(m.expired), count(*)
        FROM postings p CROSS JOIN LATERAL (SELECT """
        + ", ".join(
            f"p.credits * ((p.credit = '{name}')::int - (p.debit = '{name}')::int) AS {name}" for name in ACCOUNTS
        )
        + """) m GROUP BY p.owner_id
        """
    )
    op.execute(
        """
        INSERT INTO ledger_proofs (id, state, step, total)
        SELECT gen_random_uuid(), 'running', 'balances', 0 WHERE EXISTS (SELECT FROM postings)
        """
    )
    op.execute(
        """
        CREATE FUNCTION note_unproven() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN INSERT INTO unproven_postings (posting_id) SELECT id FROM added; RETURN NULL; END $$
        """
    )
    op.execute(
        """
        CREATE TRIGGER postings_unproven AFTER INSERT ON postings REFERENCING NEW TABLE AS added
        FOR EACH STATEMENT EXECUTE FUNCTION note_unproven()
        """
    )
    _protect_settled_holds()


def _create_tables() -> None:
    op.create_table(
        "unproven_postings", sa.Column("posting_id", sa.Uuid(), nullable=False), sa.PrimaryKeyConstraint("posting_id")
    )
    op.create_table(
        "proven_accounts",
        sa.Column("owner_id", sa.Uuid(), nullable=False),
        *(sa.Column(name, sa.BigInteger(), server_default="0", nullable=False) for name in ACCOUNTS),
        sa.Column("entries", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("owner_id"),
    )
    op.create_table(
        "ledger_proofs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("position", sa.Uuid(), nullable=True),
        sa.Column("checked", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=False),
        sa.Column("accounts", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("entries", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("violations", postgresql.JSONB(astext_type=sa.Text()), server_default="[]", nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("state IN ('running', 'passed', 'failed')", name="ledger_proofs_state"),
        sa.CheckConstraint("step IN ('balances', 'holds', 'postings', 'done')", name="ledger_proofs_step"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "ledger_proofs_running",
        "ledger_proofs",
        ["state"],
        unique=True,
        postgresql_where=sa.text("state = 'running'"),
    )


def _protect_settled_holds() -> None:
    op.execute(
        """
        CREATE FUNCTION refuse_hold_change() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION 'a settled hold is final, and no hold is ever removed'; END $$
        """
    )
    op.execute(
        """
        CREATE TRIGGER holds_settled_once BEFORE UPDATE ON holds FOR EACH ROW WHEN (OLD.state <> 'open')
        EXECUTE FUNCTION refuse_hold_change()
        """
    )
    op.execute(
        """
        CREATE TRIGGER holds_never_removed BEFORE DELETE OR TRUNCATE ON holds
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_hold_change()
        """
    )


def downgrade() -> None:
    """Versions only go forward: the books are never rolled back."""
    raise RuntimeError("restore a backup instead")

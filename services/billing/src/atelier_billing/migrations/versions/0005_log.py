"""The transparency log: its queue, entries, subtrees and checkpoints. Earlier postings are entered by the service."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

FINAL = ("log_entries", "log_subtrees", "log_checkpoints")
TIGHTEN = """
DO $$
DECLARE app text;
BEGIN
    FOR app IN
        SELECT DISTINCT grantee FROM information_schema.role_table_grants
        WHERE table_schema = 'public' AND table_name = 'log_entries' AND grantee NOT IN (current_user, 'PUBLIC')
    LOOP
        EXECUTE format('REVOKE UPDATE, DELETE, TRUNCATE ON log_entries, log_subtrees, log_checkpoints FROM %I', app);
    END LOOP;
END $$
"""


def upgrade() -> None:
    """Applies this version."""
    _create_tables()
    op.execute(
        """
        CREATE FUNCTION refuse_log_change() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION 'the log is append-only'; END $$
        """
    )
    for table in FINAL:
        op.execute(
            f"""
            CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}
            FOR EACH STATEMENT EXECUTE FUNCTION refuse_log_change()
            """
        )
    # No posting may come between the copy and the trigger.
    op.execute("LOCK TABLE postings, receipts IN SHARE ROW EXCLUSIVE MODE")
    for kind, table in (("posting", "postings"), ("receipt", "receipts")):
        op.execute(f"INSERT INTO unlogged_entries (entry_id, kind) SELECT id, '{kind}' FROM {table}")
        op.execute(
            f"""
            CREATE FUNCTION note_unlogged_{kind}() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN INSERT INTO unlogged_entries (entry_id, kind) SELECT id, '{kind}' FROM added; RETURN NULL; END $$
            """
        )
        op.execute(
            f"""
            CREATE TRIGGER {table}_unlogged AFTER INSERT ON {table} REFERENCING NEW TABLE AS added
            FOR EACH STATEMENT EXECUTE FUNCTION note_unlogged_{kind}()
            """
        )
    op.execute(TIGHTEN)


def _create_tables() -> None:
    op.create_table(
        "unlogged_entries",
        sa.Column("entry_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.CheckConstraint("kind IN ('posting', 'receipt')", name="unlogged_entries_kind"),
        sa.PrimaryKeyConstraint("entry_id"),
    )
    op.create_table(
        "log_entries",
        sa.Column("position", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("entry_id", sa.Uuid(), nullable=False),
        sa.Column("leaf_hash", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("kind IN ('posting', 'receipt')", name="log_entries_kind"),
        sa.PrimaryKeyConstraint("position"),
        sa.UniqueConstraint("entry_id", name="log_entries_entry"),
    )
    op.create_table(
        "log_subtrees",
        sa.Column("level", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("position", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("level", "position"),
    )
    op.create_table(
        "log_checkpoints",
        sa.Column("size", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("signed_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("size"),
    )


def downgrade() -> None:
    """Versions only go forward: a log is never rolled back."""
    raise RuntimeError("restore a backup instead")

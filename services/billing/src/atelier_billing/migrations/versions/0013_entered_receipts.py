"""A receipt that is stored after its entry in the log does not wait for one."""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Applies this version. The version before stores receipts without entries, which wait as they did."""
    op.execute(
        """
        CREATE OR REPLACE FUNCTION note_unlogged_receipt() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            INSERT INTO unlogged_entries (entry_id, kind) SELECT id, 'receipt' FROM added
            WHERE NOT EXISTS (SELECT FROM log_entries WHERE entry_id = added.id);
            RETURN NULL;
        END $$
        """
    )


def downgrade() -> None:
    """Versions only go forward: the books are never rolled back."""
    raise RuntimeError("restore a backup instead")

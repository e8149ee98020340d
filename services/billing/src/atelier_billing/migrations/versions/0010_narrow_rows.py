"""Narrow rows: balances change in place, receipts are packed, the inbox and the outbox have no indexes by time."""

import sqlalchemy as sa
from alembic import op

from atelier_messaging.migrations import add_check

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Applies this version. Rows of the version before are read as they are."""
    op.drop_index("inbox_handled_at", "inbox", if_exists=True)
    op.drop_index("outbox_created_at", "outbox", if_exists=True)
    op.add_column("outbox", sa.Column("traceparent", sa.Text(), nullable=True), if_not_exists=True)
    op.alter_column("outbox", "headers", nullable=True)
    _pack_receipts()
    _spend_in_place()


def _spend_in_place() -> None:
    """A balance that changes touches no index: their condition is a column that changes at the last credit only. It
    rewrites the grants, one row for each time that credits were given, in a transaction that locks nothing else long."""
    for table in ("accounts", "grants"):
        op.execute(f"ALTER TABLE {table} SET (fillfactor = 50)")
    op.add_column(
        "grants", sa.Column("is_spent", sa.Boolean(), sa.Computed("remaining = 0", persisted=True), nullable=False)
    )
    unspent = sa.text("NOT is_spent")
    op.create_index("grants_owner_unspent", "grants", ["owner_id"], postgresql_where=unspent)
    op.create_index("grants_expiring", "grants", ["expires_at"], postgresql_where=unspent)
    op.drop_index("grants_owner_left", "grants")
    op.drop_index("grants_due", "grants")


def _pack_receipts() -> None:
    """Receipts that are there stay as they are."""
    op.add_column("receipts", sa.Column("packed", sa.LargeBinary(), nullable=True), if_not_exists=True)
    op.alter_column("receipts", "body", nullable=True)
    add_check("receipts", "receipts_stored_once", "num_nonnulls(body, packed) = 1")


def downgrade() -> None:
    """Versions only go forward."""
    raise RuntimeError("restore a backup instead")

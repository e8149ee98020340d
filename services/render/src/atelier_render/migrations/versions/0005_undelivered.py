"""Outputs that were not delivered in time are removed: a reason of its own."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Applies this version."""
    op.execute(
        "ALTER TABLE removals ADD CONSTRAINT removals_reasons"
        " CHECK (reason IN ('requested', 'retention', 'late', 'undelivered')) NOT VALID"
    )
    op.execute("ALTER TABLE removals VALIDATE CONSTRAINT removals_reasons")
    op.execute("ALTER TABLE removals DROP CONSTRAINT removals_reason")
    op.execute("ALTER TABLE removals RENAME CONSTRAINT removals_reasons TO removals_reason")


def downgrade() -> None:
    """Versions only go forward."""
    raise RuntimeError("restore a backup instead")

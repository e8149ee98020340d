"""Outputs are kept as long as their request says, or not at all once they are delivered."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Applies this version. Rows of the version before are read as they are."""
    op.add_column("results", sa.Column("keep_until", sa.DateTime(timezone=True), nullable=True))
    op.create_index("results_kept", "results", ["keep_until"], postgresql_where=sa.text("keep_until IS NOT NULL"))
    op.execute(
        "ALTER TABLE removals ADD CONSTRAINT removals_reasons"
        " CHECK (reason IN ('requested', 'retention', 'late', 'undelivered', 'delivered')) NOT VALID"
    )
    op.execute("ALTER TABLE removals VALIDATE CONSTRAINT removals_reasons")
    op.execute("ALTER TABLE removals DROP CONSTRAINT removals_reason")
    op.execute("ALTER TABLE removals RENAME CONSTRAINT removals_reasons TO removals_reason")


def downgrade() -> None:
    """Versions only go forward."""
    raise RuntimeError("restore a backup instead")

"""requests of the form, and what is pending."""

import sqlalchemy as sa
from alembic import op

revision = "form_1"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Applies this version."""
    op.create_table(
        "form_requests",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("form_requests_user", "form_requests", ["user_id", "at"], unique=False)
    op.create_index("form_requests_at", "form_requests", ["at"], unique=False)
    op.create_index(
        "generations_pending", "generations", ["surface"], unique=False, postgresql_where=sa.text("rank < 9")
    )


def downgrade() -> None:
    """Versions only go forward: a ledger is never rolled back by dropping it."""
    raise RuntimeError("restore a backup instead")

"""What was sent and has not had its effect yet: operators' commands, cancels, deletions."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def _now(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False)


def upgrade() -> None:
    """Applies this version. Nothing of the version before reads the table."""
    op.create_table(
        "unconfirmed_messages",
        sa.Column("subject", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        _now("ordered_at"),
        _now("sent_at"),
        sa.Column("resends", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("subject", "name"),
    )
    op.create_index(
        "unconfirmed_messages_open",
        "unconfirmed_messages",
        ["sent_at"],
        postgresql_where=sa.text("confirmed_at IS NULL"),
    )


def downgrade() -> None:
    """Versions only go forward."""
    raise RuntimeError("restore a backup instead")

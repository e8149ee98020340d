"""who asked for narrations within the hour."""

import sqlalchemy as sa
from alembic import op

revision = "stories_2"
down_revision = "stories_1"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Applies this version."""
    op.create_table(
        "story_requests",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("story_requests_user", "story_requests", ["user_id", "at"], unique=False)
    op.create_index("story_requests_at", "story_requests", ["at"], unique=False)


def downgrade() -> None:
    """Versions only go forward: a ledger is never rolled back by dropping it."""
    raise RuntimeError("restore a backup instead")

"""The ids under which providers have taken requests: by them an unknown outcome is found out."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Applies this version."""
    op.execute("ALTER TABLE submissions ADD COLUMN accepted jsonb")


def downgrade() -> None:
    """Versions only go forward."""
    raise RuntimeError("restore a backup instead")

"""How far a run has compared artefacts with a listing of the object store."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Applies this version. A session of the version before ends such a run without its objects."""
    op.create_table(
        "reconcile_object_runs",
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("after", sa.Text(), nullable=True),
        sa.Column("checked", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("run_id"),
        sa.ForeignKeyConstraint(["run_id"], ["reconcile_runs.id"], ondelete="CASCADE"),
    )


def downgrade() -> None:
    """Versions only go forward."""
    raise RuntimeError("restore a backup instead")

"""What a submission used, by its provider's report, and what it costs."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from atelier_messaging.migrations import add_check

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Applies this version."""
    for name, kind in (
        ("model", sa.Text()),
        ("usage", postgresql.JSONB()),
        ("cost_micros", sa.BigInteger()),
        ("exposure_micros", sa.BigInteger()),
        ("currency", sa.Text()),
        ("cost_version", sa.Text()),
    ):
        op.add_column("submissions", sa.Column(name, kind, nullable=True), if_not_exists=True)
    add_check("submissions", "submissions_cost", "LEAST(cost_micros, exposure_micros) >= 0")
    add_check(
        "submissions",
        "submissions_currency",
        "COALESCE(cost_micros, exposure_micros) IS NULL OR num_nulls(currency, cost_version) = 0",
    )


def downgrade() -> None:
    """Versions only go forward: what was rendered and charged for is never dropped."""
    raise RuntimeError("restore a backup instead")

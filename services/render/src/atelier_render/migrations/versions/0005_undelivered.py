"""Outputs that were not delivered in time are removed: a reason of its own."""

from atelier_messaging.migrations import replace_check

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Applies this version."""
    replace_check("removals", "removals_reason", "reason IN ('requested', 'retention', 'late', 'undelivered')")


def downgrade() -> None:
    """Versions only go forward."""
    raise RuntimeError("restore a backup instead")

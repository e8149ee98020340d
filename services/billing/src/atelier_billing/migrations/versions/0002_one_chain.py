"""Joins the branches into one chain: from here on each migration follows the one before it."""

revision = "0002"
down_revision = (
    "installation_1",
    "ledger_1_checkpoint",
    "privileges_1",
)
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Changes nothing by itself."""


def downgrade() -> None:
    """Versions only go forward."""
    raise RuntimeError("restore a backup instead")

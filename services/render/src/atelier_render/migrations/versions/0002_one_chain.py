"""Joins the branches into one chain: from here on each migration follows the one before it."""

revision = "0002"
down_revision = (
    "artefacts_3",
    "forecasts_1",
    "installation_1",
    "submissions_2",
)
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Changes nothing by itself."""


def downgrade() -> None:
    """Versions only go forward."""
    raise RuntimeError("restore a backup instead")

"""Joins the branches into one chain: from here on each migration follows the one before it."""

revision = "0002"
down_revision = (
    "form_1",
    "generation_events_1",
    "generations_maker_2",
    "generations_origin_1",
    "generations_standing_2",
    "installation_1",
    "operators_1",
    "rates_1",
    "stories_2",
    "unclaimed_1",
    "uploads_2",
    "webhooks_1",
)
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Changes nothing by itself."""


def downgrade() -> None:
    """Versions only go forward."""
    raise RuntimeError("restore a backup instead")

"""Artefacts in the order in which object stores list their keys, whatever the order of the database is."""

import sqlalchemy as sa

from atelier_messaging.migrations import build_index

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Applies this version. Nothing of the version before reads the index."""
    build_index("artefacts_key_order", "artefacts", [sa.text('key COLLATE "C"')])


def downgrade() -> None:
    """Versions only go forward."""
    raise RuntimeError("restore a backup instead")

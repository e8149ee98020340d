"""files may be texts to be read aloud."""

from alembic import op

revision = "files_2"
down_revision = "files_1"
branch_labels = None
depends_on = None

CATEGORIES = "'product_image', 'model_image', 'person', 'garment', 'photo', 'image', 'mask', 'text', 'result'"


def upgrade() -> None:
    """Applies this version."""
    op.drop_constraint("files_category", "files")
    op.create_check_constraint("files_category", "files", f"category IN ({CATEGORIES})")


def downgrade() -> None:
    """Versions only go forward: a ledger is never rolled back by dropping it."""
    raise RuntimeError("restore a backup instead")

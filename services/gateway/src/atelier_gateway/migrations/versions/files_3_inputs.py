"""files remember the upload whose bytes they hold."""

import sqlalchemy as sa
from alembic import op

revision = "files_3"
down_revision = "files_2"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Applies this version."""
    op.add_column("files", sa.Column("upload_key", sa.Text(), nullable=True))
    where = sa.text("upload_key IS NOT NULL")
    op.create_index("files_upload", "files", ["upload_key"], unique=True, postgresql_where=where)


def downgrade() -> None:
    """Versions only go forward: a ledger is never rolled back by dropping it."""
    raise RuntimeError("restore a backup instead")

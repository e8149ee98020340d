"""Batches of generations, their rows, and the files of OpenAI's batches."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def _time(name: str, *, optional: bool = True) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=optional)


def _now(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False)


def upgrade() -> None:
    """Applies this version."""
    op.create_table(
        "batches",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("owner_kind", sa.Text(), nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("spenders", postgresql.JSONB(), nullable=False),
        sa.Column("surface", sa.Text(), nullable=False),
        sa.Column("endpoint", sa.Text(), nullable=False),
        sa.Column("input_file_id", sa.Uuid(), nullable=True),
        sa.Column("attributes", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("simulate", sa.Text(), nullable=True),
        sa.Column("window_s", sa.Integer(), nullable=False),
        sa.Column("output_life_s", sa.Integer(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("rows", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("quoted", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("prices", postgresql.JSONB(), server_default=sa.text("'[]'"), nullable=False),
        sa.Column("errors", postgresql.JSONB(), nullable=True),
        sa.Column("output_file_id", sa.Uuid(), nullable=True),
        sa.Column("error_file_id", sa.Uuid(), nullable=True),
        _now("created_at"),
        _time("expires_at", optional=False),
        _time("in_progress_at"),
        _time("finalizing_at"),
        _time("cancelling_at"),
        _time("ended_at"),
        sa.Column("lease", sa.Uuid(), nullable=True),
        _time("leased_until"),
        _time("served_at"),
        sa.CheckConstraint("owner_kind IN ('store', 'user', 'workspace')", name="batches_owner_kind"),
        sa.CheckConstraint(
            "state IN ('validating', 'failed', 'in_progress', 'finalizing', 'completed', 'expired', 'cancelling',"
            " 'cancelled')",
            name="batches_state",
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("batches_owner", "batches", ["owner_kind", "owner_id", sa.text("id DESC")])
    op.create_index(
        "batches_open",
        "batches",
        ["owner_id", "id"],
        postgresql_where=sa.text("state IN ('validating', 'in_progress', 'finalizing', 'cancelling')"),
    )
    op.create_table(
        "batch_rows",
        sa.Column("batch_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("custom_id", sa.Text(), nullable=False),
        sa.Column("request", postgresql.JSONB(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("generation_id", sa.Uuid(), nullable=False),
        sa.Column("attempt", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("price", sa.Integer(), nullable=False),
        sa.Column("credits", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("problem", postgresql.JSONB(), nullable=True),
        _time("ended_at"),
        sa.CheckConstraint(
            "state IN ('waiting', 'submitted', 'succeeded', 'failed', 'cancelled', 'expired')", name="batch_rows_state"
        ),
        sa.ForeignKeyConstraint(["batch_id"], ["batches.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("batch_id", "number"),
    )
    op.create_index("batch_rows_state", "batch_rows", ["batch_id", "state", "number"])
    op.create_index("batch_rows_custom_id", "batch_rows", ["batch_id", "custom_id"], unique=True)
    op.create_index("batch_rows_generation", "batch_rows", ["generation_id"], unique=True)
    op.create_table(
        "batch_files",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("owner_kind", sa.Text(), nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("filename", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=True),
        sa.Column("batch_id", sa.Uuid(), nullable=True),
        sa.Column("part", sa.Text(), nullable=True),
        _now("created_at"),
        _time("expires_at", optional=False),
        sa.CheckConstraint("owner_kind IN ('store', 'user', 'workspace')", name="batch_files_owner_kind"),
        sa.CheckConstraint("(content IS NULL) = (part IS NOT NULL)", name="batch_files_content"),
        sa.ForeignKeyConstraint(["batch_id"], ["batches.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("batch_files_owner", "batch_files", ["owner_kind", "owner_id", sa.text("id DESC")])
    op.create_index("batch_files_expires", "batch_files", ["expires_at"])
    op.create_index("ix_batch_files_batch_id", "batch_files", ["batch_id"])


def downgrade() -> None:
    """Versions only go forward."""
    raise RuntimeError("restore a backup instead")

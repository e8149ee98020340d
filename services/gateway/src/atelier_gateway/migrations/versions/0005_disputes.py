"""Disputes of outputs."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Applies this version."""
    op.create_table(
        "disputes",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("generation_id", sa.Uuid(), nullable=False),
        sa.Column("owner_kind", sa.Text(), nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("outputs", sa.ARRAY(sa.SmallInteger()), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("evidence", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("credits", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("decided_by", sa.Text(), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("owner_kind IN ('store', 'user', 'workspace')", name="disputes_owner_kind"),
        sa.CheckConstraint("state IN ('refunding', 'refunded', 'declined', 'review')", name="disputes_state"),
        sa.CheckConstraint("(state IN ('refunded', 'declined')) = (decided_at IS NOT NULL)", name="disputes_decided"),
        sa.CheckConstraint("credits >= 0 AND (state <> 'refunding' OR credits > 0)", name="disputes_credits"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("disputes_owner", "disputes", ["owner_kind", "owner_id", "created_at"])
    op.create_index("disputes_generation", "disputes", ["generation_id"])
    op.create_index("disputes_review", "disputes", ["id"], postgresql_where=sa.text("state = 'review'"))
    op.create_table(
        "disputed_outputs",
        sa.Column("generation_id", sa.Uuid(), nullable=False),
        sa.Column("output", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("dispute_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["dispute_id"], ["disputes.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("generation_id", "output"),
    )


def downgrade() -> None:
    """Versions only go forward."""
    raise RuntimeError("restore a backup instead")

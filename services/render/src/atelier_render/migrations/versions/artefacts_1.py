"""what artefacts look like, what may be delivered again, and what is removed."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "artefacts_1"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Applies this version."""
    op.drop_constraint("artefacts_generation_id_fkey", "artefacts", type_="foreignkey")
    op.add_column("artefacts", sa.Column("thumbnail", sa.Text(), nullable=True))
    for name in ("colours", "tags"):
        words = postgresql.ARRAY(sa.Text())
        op.add_column("artefacts", sa.Column(name, words, server_default="{}", nullable=False))
    op.create_table(
        "results",
        sa.Column("generation_id", sa.Uuid(), nullable=False),
        sa.Column("owner_kind", sa.Text(), nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("owner_kind IN ('store', 'user', 'workspace')", name="results_owner_kind"),
        sa.CheckConstraint("octet_length(fingerprint) = 32", name="results_fingerprint"),
        sa.PrimaryKeyConstraint("generation_id"),
    )
    op.create_index("results_equal", "results", ["owner_id", "fingerprint", "generation_id"], unique=False)
    op.create_index("results_age", "results", ["created_at"], unique=False)
    op.execute(
        "INSERT INTO results (generation_id, owner_kind, owner_id, provider, created_at)"
        " SELECT DISTINCT generation_id, owner_kind, owner_id, provider, finished_at"
        " FROM jobs JOIN artefacts USING (generation_id) WHERE state = 'done'"
    )
    op.create_table(
        "removals",
        sa.Column("generation_id", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("outputs", sa.SmallInteger(), nullable=False),
        sa.Column("removed_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("reason IN ('requested', 'retention', 'late')", name="removals_reason"),
        sa.PrimaryKeyConstraint("generation_id", "reason"),
    )
    op.create_table(
        "doomed_objects",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_index("doomed_objects_due", "doomed_objects", ["due_at"], unique=False)


def downgrade() -> None:
    """Versions only go forward: what was rendered and charged for is never dropped."""
    raise RuntimeError("restore a backup instead")

"""stories, their narrations, and each narration's steps; all under row-level security."""

import sqlalchemy as sa
from alembic import op

revision = "stories_1"
down_revision = "0001"
branch_labels = None
depends_on = None

TENANT = "user_id = nullif(current_setting('atelier.tenant', true), '')::uuid"


def upgrade() -> None:
    """Applies this version."""
    op.create_table(
        "stories",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("length(title) BETWEEN 1 AND 200", name="stories_title"),
        sa.CheckConstraint("length(text) BETWEEN 1 AND 50000", name="stories_text"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("id", "user_id", name="stories_of_user"),
    )
    op.create_index("stories_user", "stories", ["user_id"], unique=False)
    op.create_table(
        "story_generations",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("story_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["id"], ["generations.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["story_id", "user_id"], ["stories.id", "stories.user_id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("story_generations_user", "story_generations", ["user_id"], unique=False)
    op.create_index("story_generations_story", "story_generations", ["story_id"], unique=False)
    op.create_table(
        "generation_logs",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("generation_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("progress", sa.SmallInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["generation_id"], ["story_generations.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("generation_logs_generation", "generation_logs", ["generation_id", "id"], unique=False)
    for table, written_by in (("stories", TENANT), ("story_generations", "true"), ("generation_logs", "true")):
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        for act in ("SELECT", "DELETE"):
            op.execute(f"CREATE POLICY {table}_{act.lower()} ON {table} FOR {act} USING ({TENANT})")
        op.execute(f"CREATE POLICY {table}_insert ON {table} FOR INSERT WITH CHECK ({written_by})")


def downgrade() -> None:
    """Versions only go forward: a ledger is never rolled back by dropping it."""
    raise RuntimeError("restore a backup instead")

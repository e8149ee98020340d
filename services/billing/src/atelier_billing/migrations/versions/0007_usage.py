"""What usage is told by: the kind of work, and who made it. Earlier holds have it in their receipts."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

# Who may settle a hold may also write who made it. The kind stays as it was inserted.
GRANT = """
DO $$
DECLARE app text;
BEGIN
    FOR app IN
        SELECT DISTINCT grantee FROM information_schema.column_privileges
        WHERE table_schema = 'public' AND table_name = 'holds' AND column_name = 'settled_at'
          AND privilege_type = 'UPDATE' AND grantee NOT IN (current_user, 'PUBLIC')
    LOOP
        EXECUTE format('GRANT UPDATE (provider, model) ON holds TO %I', app);
    END LOOP;
END $$
"""


def upgrade() -> None:
    """Applies this version."""
    for name in ("kind", "provider", "model"):
        op.add_column("holds", sa.Column(name, sa.Text(), nullable=True))
    op.execute(GRANT)


def downgrade() -> None:
    """Versions only go forward."""
    raise RuntimeError("restore a backup instead")

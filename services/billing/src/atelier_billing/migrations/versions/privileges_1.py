"""the service's role can delete nothing from the books, and change only what a posting changes."""

from alembic import op

revision = "privileges_1"
down_revision = "holds_1_reused"
branch_labels = None
depends_on = None

# A role that was given more by the databases' default privileges keeps what its statements in store.py need.
TIGHTEN = """
DO $$
DECLARE app text;
BEGIN
    FOR app IN
        SELECT DISTINCT grantee FROM information_schema.role_table_grants
        WHERE table_schema = 'public' AND table_name = 'postings' AND grantee NOT IN (current_user, 'PUBLIC')
    LOOP
        EXECUTE format('REVOKE UPDATE, DELETE, TRUNCATE ON postings, accounts, grants, holds FROM %I', app);
        EXECUTE format('GRANT UPDATE (granted, available, held, captured, expired) ON accounts TO %I', app);
        EXECUTE format('GRANT UPDATE (remaining) ON grants TO %I', app);
        EXECUTE format('GRANT UPDATE (state, captured, refunded, reused, settled_at) ON holds TO %I', app);
    END LOOP;
END $$
"""


def upgrade() -> None:
    """Applies this version."""
    op.execute(TIGHTEN)


def downgrade() -> None:
    """Versions only go forward: the books are never rolled back."""
    raise RuntimeError("restore a backup instead")

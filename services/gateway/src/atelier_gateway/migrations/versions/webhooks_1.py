"""who is told what became of generations, and what they were told."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "webhooks_1"
down_revision = "0001"
branch_labels = None
depends_on = None

OWNER_KINDS = "owner_kind IN ('store', 'user', 'workspace')"


def _owner() -> list[sa.Column]:
    return [sa.Column("owner_kind", sa.Text(), nullable=False), sa.Column("owner_id", sa.Uuid(), nullable=False)]


def _secret() -> list[sa.Column]:
    return [
        sa.Column("secret_id", sa.Uuid(), nullable=False),
        sa.Column("previous_secret_id", sa.Uuid(), nullable=True),
        sa.Column("previous_until", sa.DateTime(timezone=True), nullable=True),
    ]


def _moment(name: str) -> sa.Column:
    return sa.Column(name, sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False)


def upgrade() -> None:
    """Applies this version."""
    _endpoints()
    _deliveries()


def _endpoints() -> None:
    op.create_table(
        "webhook_endpoints",
        sa.Column("id", sa.Uuid(), nullable=False),
        *_owner(),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("events", postgresql.ARRAY(sa.Text()), nullable=False),
        *_secret(),
        sa.Column("disabled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("disabled_reason", sa.Text(), nullable=True),
        sa.Column("failing_since", sa.DateTime(timezone=True), nullable=True),
        _moment("created_at"),
        sa.CheckConstraint(OWNER_KINDS, name="webhook_endpoints_owner_kind"),
        sa.CheckConstraint("(disabled_at IS NULL) = (disabled_reason IS NULL)", name="webhook_endpoints_disabled"),
        sa.CheckConstraint("disabled_reason IN ('owner', 'gone', 'failing')", name="webhook_endpoints_reason"),
        sa.CheckConstraint(
            "(previous_secret_id IS NULL) = (previous_until IS NULL)", name="webhook_endpoints_previous_secret"
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("webhook_endpoints_owner", "webhook_endpoints", ["owner_kind", "owner_id", sa.text("id DESC")])
    op.create_table(
        "webhook_secrets",
        *_owner(),
        *_secret(),
        sa.CheckConstraint(OWNER_KINDS, name="webhook_secrets_owner_kind"),
        sa.CheckConstraint("(previous_secret_id IS NULL) = (previous_until IS NULL)", name="webhook_secrets_previous"),
        sa.PrimaryKeyConstraint("owner_kind", "owner_id"),
    )


def _deliveries() -> None:
    op.create_table(
        "webhook_deliveries",
        sa.Column("id", sa.Uuid(), nullable=False),
        *_owner(),
        sa.Column("endpoint_id", sa.Uuid(), nullable=True),
        sa.Column("url", sa.Text(), nullable=True),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("generation_id", sa.Uuid(), nullable=True),
        sa.Column("payload", postgresql.JSONB(), nullable=False),
        sa.Column("traceparent", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), server_default=sa.text("'pending'"), nullable=False),
        sa.Column("tries", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        _moment("next_try_at"),
        sa.Column("claim", sa.Uuid(), nullable=True),
        sa.Column("leased_until", sa.DateTime(timezone=True), nullable=True),
        _moment("created_at"),
        sa.CheckConstraint(OWNER_KINDS, name="webhook_deliveries_owner_kind"),
        sa.CheckConstraint("num_nonnulls(endpoint_id, url) = 1", name="webhook_deliveries_receiver"),
        sa.CheckConstraint("state IN ('pending', 'delivered', 'failed')", name="webhook_deliveries_state"),
        sa.CheckConstraint("(claim IS NULL) = (leased_until IS NULL)", name="webhook_deliveries_claim"),
        sa.ForeignKeyConstraint(["endpoint_id"], ["webhook_endpoints.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "webhook_deliveries_due",
        "webhook_deliveries",
        ["target", "next_try_at", "id"],
        postgresql_where=sa.text("state = 'pending'"),
    )
    op.create_index(
        "webhook_deliveries_untried",
        "webhook_deliveries",
        ["generation_id", "target", "id"],
        postgresql_where=sa.text("state = 'pending' AND tries = 0"),
    )
    op.create_index("webhook_deliveries_owner", "webhook_deliveries", ["owner_kind", "owner_id", sa.text("id DESC")])
    op.create_index("webhook_deliveries_endpoint", "webhook_deliveries", ["endpoint_id", sa.text("id DESC")])
    op.create_index("webhook_deliveries_generation", "webhook_deliveries", ["generation_id"])
    op.create_table(
        "webhook_attempts",
        sa.Column("delivery_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        _moment("at"),
        sa.Column("duration_ms", sa.Integer(), nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("response", sa.Text(), nullable=True),
        sa.CheckConstraint("num_nonnulls(status, error) = 1", name="webhook_attempts_outcome"),
        sa.ForeignKeyConstraint(["delivery_id"], ["webhook_deliveries.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("delivery_id", "number"),
    )


def downgrade() -> None:
    """Versions only go forward: a ledger is never rolled back by dropping it."""
    raise RuntimeError("restore a backup instead")

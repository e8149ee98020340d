"""Webhook endpoints and deliveries (``webhooks/``). Only migrations read this file.

No secret stands in these tables: a signing secret is derived from its id and the key pepper (``webhooks/signing.py``).
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, CheckConstraint, Column, ForeignKey, Index, Integer, SmallInteger, Text, Uuid
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from atelier_gateway.tables.columns import optional_time_column, text_column, time_column

OWNER_KINDS = "owner_kind IN ('store', 'user', 'workspace')"


class WebhookEndpointRow(SQLModel, table=True):
    """An owner's receiver, and its events (none named: all). ``failing_since`` is the first failure
    after the last success."""

    __tablename__ = "webhook_endpoints"
    __table_args__ = (
        CheckConstraint(OWNER_KINDS, name="webhook_endpoints_owner_kind"),
        CheckConstraint("(disabled_at IS NULL) = (disabled_reason IS NULL)", name="webhook_endpoints_disabled"),
        CheckConstraint("disabled_reason IN ('owner', 'gone', 'failing')", name="webhook_endpoints_reason"),
        CheckConstraint(
            "(previous_secret_id IS NULL) = (previous_until IS NULL)", name="webhook_endpoints_previous_secret"
        ),
        Index("webhook_endpoints_owner", "owner_kind", "owner_id", sql("id DESC")),
    )

    id: UUID = Field(primary_key=True)
    owner_kind: str = text_column()
    owner_id: UUID
    url: str = text_column()
    description: str = text_column()
    events: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    secret_id: UUID
    previous_secret_id: UUID | None = Field(default=None, sa_column=Column(Uuid))
    previous_until: datetime | None = optional_time_column()
    disabled_at: datetime | None = optional_time_column()
    disabled_reason: str | None = Field(default=None, sa_column=Column(Text))
    failing_since: datetime | None = optional_time_column()
    created_at: datetime = time_column()


class WebhookSecretRow(SQLModel, table=True):
    """The secret that signs what goes to the ``webhook_url`` of an owner's single requests."""

    __tablename__ = "webhook_secrets"
    __table_args__ = (
        CheckConstraint(OWNER_KINDS, name="webhook_secrets_owner_kind"),
        CheckConstraint("(previous_secret_id IS NULL) = (previous_until IS NULL)", name="webhook_secrets_previous"),
    )

    owner_kind: str = Field(sa_column=Column(Text, primary_key=True))
    owner_id: UUID = Field(primary_key=True)
    secret_id: UUID
    previous_secret_id: UUID | None = Field(default=None, sa_column=Column(Uuid))
    previous_until: datetime | None = optional_time_column()


class WebhookDeliveryRow(SQLModel, table=True):
    """One event on its way to one receiver: an endpoint, or the ``url`` of a single request. ``id`` is the webhook-id.

    Without a foreign key to the generation: deliveries stay when that is deleted. ``target`` shares a bound on how
    many are sent at once; ``claim`` is the try that holds it until ``leased_until``; ``tries`` are those of the
    present round, which a replay begins again.
    """

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        CheckConstraint(OWNER_KINDS, name="webhook_deliveries_owner_kind"),
        CheckConstraint("num_nonnulls(endpoint_id, url) = 1", name="webhook_deliveries_receiver"),
        CheckConstraint("state IN ('pending', 'delivered', 'failed')", name="webhook_deliveries_state"),
        CheckConstraint("(claim IS NULL) = (leased_until IS NULL)", name="webhook_deliveries_claim"),
        Index("webhook_deliveries_due", "target", "next_try_at", "id", postgresql_where=sql("state = 'pending'")),
        Index(
            "webhook_deliveries_untried",
            "generation_id",
            "target",
            "id",
            postgresql_where=sql("state = 'pending' AND tries = 0"),
        ),
        Index("webhook_deliveries_owner", "owner_kind", "owner_id", sql("id DESC")),
        Index("webhook_deliveries_endpoint", "endpoint_id", sql("id DESC")),
        Index("webhook_deliveries_generation", "generation_id"),
    )

    id: UUID = Field(primary_key=True)
    owner_kind: str = text_column()
    owner_id: UUID
    endpoint_id: UUID | None = Field(
        default=None, sa_column=Column(Uuid, ForeignKey("webhook_endpoints.id", ondelete="CASCADE"))
    )
    url: str | None = Field(default=None, sa_column=Column(Text))
    target: str = text_column()
    type: str = text_column()
    generation_id: UUID | None = Field(default=None, sa_column=Column(Uuid))
    payload: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    traceparent: str | None = Field(default=None, sa_column=Column(Text))
    state: str = Field(sa_column=Column(Text, nullable=False, server_default=sql("'pending'")))
    tries: int = Field(sa_column=Column(SmallInteger, nullable=False, server_default=sql("0")))
    next_try_at: datetime = time_column()
    claim: UUID | None = Field(default=None, sa_column=Column(Uuid))
    leased_until: datetime | None = optional_time_column()
    created_at: datetime = time_column()


class WebhookAttemptRow(SQLModel, table=True):
    """One try: what was answered (``response`` is its beginning), or why there was no answer (``error``)."""

    __tablename__ = "webhook_attempts"
    __table_args__ = (CheckConstraint("num_nonnulls(status, error) = 1", name="webhook_attempts_outcome"),)

    delivery_id: UUID = Field(
        sa_column=Column(Uuid, ForeignKey("webhook_deliveries.id", ondelete="CASCADE"), primary_key=True)
    )
    number: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    at: datetime = time_column()
    duration_ms: int = Field(sa_column=Column(Integer, nullable=False))
    status: int | None = Field(default=None, sa_column=Column(SmallInteger))
    error: str | None = Field(default=None, sa_column=Column(Text))
    response: str | None = Field(default=None, sa_column=Column(Text))

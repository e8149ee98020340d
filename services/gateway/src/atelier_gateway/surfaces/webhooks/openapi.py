"""What the webhook routes answer, for their OpenAPI."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, JsonValue

from atelier_gateway.web.openapi_responses import AT, CURSOR, ID, KEY, LIMIT, WORKSPACE, answers, query

STATES = ("pending", "delivered", "failed")
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # noqa: S105 - an example
SHOWN: dict[str, JsonValue] = {
    "id": ID,
    "test": False,
    "url": "https://shop.example.org/atelier",
    "events": ["generation.succeeded", "generation.failed"],
    "description": "orders",
    "state": "enabled",
    "disabled": None,
    "failing_since": None,
    "previous_secret_until": None,
    "created_at": AT,
}
TRIED: dict[str, JsonValue] = {
    "id": ID,
    "test": False,
    "webhook_id": ID,
    "url": "https://shop.example.org/atelier",
    "type": "generation.succeeded",
    "generation_id": ID,
    "state": "pending",
    "attempts": [
        {"number": 1, "at": AT, "duration_ms": 87, "status": 500, "error": None, "response": "try again later"}
    ],
    "next_try_at": AT,
    "created_at": AT,
}


class WebhookDisablement(BaseModel):
    """Since when, and why: the owner wished it, it answered 410, or it took nothing for days."""

    at: datetime
    reason: Literal["owner", "gone", "failing"]


class Webhook(BaseModel):
    """An endpoint; no events named means all. ``failing_since`` is the first failure after the last success."""

    model_config = ConfigDict(json_schema_extra={"examples": [SHOWN]})

    id: UUID
    test: bool
    """Whether it is a test account's."""
    url: str
    events: list[str]
    description: str
    state: Literal["enabled", "disabled"]
    disabled: WebhookDisablement | None
    failing_since: datetime | None
    previous_secret_until: datetime | None
    created_at: datetime


class WebhookWithSecret(Webhook):
    """The only time the secret is shown."""

    model_config = ConfigDict(json_schema_extra={"examples": [SHOWN | {"secret": SECRET}]})

    secret: str


class WebhookPage(BaseModel):
    """Endpoints, newest first."""

    data: list[Webhook]
    next_cursor: str | None


class WebhookAttempt(BaseModel):
    """One try: a status with the beginning of the answer, or an error."""

    number: int
    at: datetime
    duration_ms: int
    status: int | None
    error: str | None
    response: str | None


class WebhookDelivery(BaseModel):
    """One event for one receiver. ``id`` is its webhook-id, ``webhook_id`` the endpoint, null for a single request."""

    model_config = ConfigDict(json_schema_extra={"examples": [TRIED]})

    id: UUID
    test: bool
    """Whether it is a test account's."""
    webhook_id: UUID | None
    url: str
    type: str
    generation_id: UUID | None
    state: Literal["pending", "delivered", "failed"]
    attempts: list[WebhookAttempt]
    next_try_at: datetime | None
    created_at: datetime


class WebhookDeliveryPage(BaseModel):
    """Deliveries, newest first."""

    data: list[WebhookDelivery]
    next_cursor: str | None


class WebhookSigningSecret(BaseModel):
    """What signs the deliveries to the ``webhook_url`` of single requests."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"secret": SECRET, "previous_secret_until": None}]})

    secret: str
    previous_secret_until: datetime | None


KEYED = ("invalid_idempotency_key", "request_in_progress", "idempotency_key_reused")
CREATED = answers(
    {201: ("The webhook, with its secret.", WebhookWithSecret)},
    "invalid_request",
    "conflict",
    "request_too_large",
    *KEYED,
)
READ = answers({200: ("The endpoint.", Webhook)}, "not_found")
LISTED = answers({200: ("Newest first.", WebhookPage)}, "invalid_request")
CHANGED = answers({200: ("The webhook as it is now.", Webhook)}, "invalid_request", "not_found", "request_too_large")
DELETED = answers({204: ("It is deleted, with its deliveries.", None)}, "not_found")
ROTATED = answers({200: ("The new secret; the old one signs, too, for a day.", WebhookWithSecret)}, "not_found", *KEYED)
TESTED = answers({202: ("A `webhook.test` is on its way.", WebhookDelivery)}, "not_found", "conflict", *KEYED)
DELIVERIES = answers({200: ("Newest first.", WebhookDeliveryPage)}, "invalid_request", "not_found")
ALL_DELIVERIES = answers({200: ("Newest first.", WebhookDeliveryPage)}, "invalid_request")
DELIVERY = answers({200: ("The delivery.", WebhookDelivery)}, "not_found")
REPLAYED = answers({202: ("It is sent again.", WebhookDelivery)}, "not_found", "conflict", *KEYED)
SIGNING = answers({200: ("The secret.", WebhookSigningSecret)})
SIGNING_ROTATED = answers({200: ("The new secret; the old one signs, too, for a day.", WebhookSigningSecret)}, *KEYED)

PAGED = [LIMIT, CURSOR, WORKSPACE]
STATE = query("state", {"type": "string", "enum": list(STATES)}, "Only deliveries in this state.")
GENERATION = query("generation_id", {"type": "string", "format": "uuid"}, "Only deliveries about this generation.")
KEY_AND_OWNER = {"parameters": [KEY, WORKSPACE]}
OWNER = {"parameters": [WORKSPACE]}

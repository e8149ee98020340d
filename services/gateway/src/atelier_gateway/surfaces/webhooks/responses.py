"""How endpoints, deliveries and secrets are rendered. Pure."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from atelier_contracts import Owner
from atelier_gateway.webhooks.delivery_store import WebhookDelivery
from atelier_gateway.webhooks.endpoint_store import Endpoint
from atelier_gateway.webhooks.signing import SecretIds


def endpoint_view(endpoint: Endpoint, owner: Owner) -> dict[str, Any]:
    """An endpoint without its secret."""
    return {
        "id": str(endpoint.id),
        "test": owner.is_test,
        "url": endpoint.url,
        "events": list(endpoint.events),
        "description": endpoint.description,
        "state": "enabled" if endpoint.disabled_at is None else "disabled",
        "disabled": None
        if endpoint.disabled_at is None
        else {"at": _at(endpoint.disabled_at), "reason": endpoint.disabled_reason},
        "failing_since": _at(endpoint.failing_since),
        "previous_secret_until": _at(endpoint.secret_ids.previous_until),
        "created_at": _at(endpoint.created_at),
    }


def delivery_view(delivery: WebhookDelivery, owner: Owner) -> dict[str, Any]:
    """With its attempts; the next one only where there will be delivery."""
    return {
        "id": str(delivery.id),
        "test": owner.is_test,
        "webhook_id": str(delivery.endpoint_id) if delivery.endpoint_id else None,
        "url": delivery.url,
        "type": delivery.type,
        "generation_id": str(delivery.generation_id) if delivery.generation_id else None,
        "state": delivery.state,
        "attempts": delivery.attempts,
        "next_try_at": _at(delivery.next_try_at) if delivery.state == "pending" else None,
        "created_at": _at(delivery.created_at),
    }


def secret_view(text: str, ids: SecretIds) -> Mapping[str, Any]:
    """The secret of single requests."""
    return {"secret": text, "previous_secret_until": _at(ids.previous_until)}


def _at(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None

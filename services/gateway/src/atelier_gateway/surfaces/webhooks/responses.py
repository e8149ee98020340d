"""How endpoints and deliveries are shown. Pure."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from atelier_gateway.webhooks.delivery_store import WebhookDelivery
from atelier_gateway.webhooks.endpoint_store import Endpoint
from atelier_gateway.webhooks.signing import SecretIds


def endpoint(one: Endpoint) -> dict[str, Any]:
    """Without its secret."""
    return {
        "id": str(one.id),
        "url": one.url,
        "events": list(one.events),
        "description": one.description,
        "state": "enabled" if one.disabled_at is None else "disabled",
        "disabled": None if one.disabled_at is None else {"at": _at(one.disabled_at), "reason": one.disabled_reason},
        "failing_since": _at(one.failing_since),
        "previous_secret_until": _at(one.secret_ids.previous_until),
        "created_at": _at(one.created_at),
    }


def delivery(one: WebhookDelivery) -> dict[str, Any]:
    """With its attempts; the next one only where there will be one."""
    return {
        "id": str(one.id),
        "webhook_id": str(one.endpoint_id) if one.endpoint_id else None,
        "url": one.url,
        "type": one.type,
        "generation_id": str(one.generation_id) if one.generation_id else None,
        "state": one.state,
        "attempts": one.attempts,
        "next_try_at": _at(one.next_try_at) if one.state == "pending" else None,
        "created_at": _at(one.created_at),
    }


def secret(text: str, ids: SecretIds) -> Mapping[str, Any]:
    """The secret of single requests."""
    return {"secret": text, "previous_secret_until": _at(ids.previous_until)}


def _at(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None

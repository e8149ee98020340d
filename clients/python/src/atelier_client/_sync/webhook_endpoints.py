"""The endpoints that the service calls, and what it sent them."""

from collections.abc import Iterator
from typing import Unpack, cast

from atelier_client import models, routes
from atelier_client._sync.pages import list_all
from atelier_client._sync.transport import Transport


class WebhookEndpoints:
    """``client.webhooks``."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def create(self, **endpoint: Unpack[models.NewWebhook]) -> models.WebhookWithSecret:
        """A new endpoint. Keep its ``secret``: it is shown this once."""
        return cast(models.WebhookWithSecret, self._transport.call(routes.CREATE_WEBHOOK, json=endpoint))

    def list(self) -> Iterator[models.Webhook]:
        """All endpoints, newest first."""
        for item in list_all(self._transport, routes.LIST_WEBHOOKS, {}):
            yield item

    def get(self, id: str) -> models.Webhook:
        """An endpoint."""
        return cast(models.Webhook, self._transport.call(routes.GET_WEBHOOK, id))

    def update(self, id: str, **change: Unpack[models.WebhookChange]) -> models.Webhook:
        """Changes the fields that are named."""
        return cast(models.Webhook, self._transport.call(routes.UPDATE_WEBHOOK, id, json=change))

    def delete(self, id: str) -> None:
        """Removes an endpoint."""
        self._transport.call(routes.DELETE_WEBHOOK, id)

    def rotate_secret(self, id: str) -> models.WebhookWithSecret:
        """A new secret; the old one signs, too, for 24 hours."""
        return cast(models.WebhookWithSecret, self._transport.call(routes.ROTATE_WEBHOOK_SECRET, id))

    def test(self, id: str) -> models.WebhookDelivery:
        """Sends a ``webhook.test``."""
        return cast(models.WebhookDelivery, self._transport.call(routes.TEST_WEBHOOK, id))

    def deliveries(
        self, *, state: str | None = None, generation_id: str | None = None
    ) -> Iterator[models.WebhookDelivery]:
        """What was sent, newest first, with every attempt."""
        query = {"state": state, "generation_id": generation_id}
        for item in list_all(self._transport, routes.LIST_WEBHOOK_DELIVERIES, query):
            yield item

    def replay(self, delivery_id: str) -> models.WebhookDelivery:
        """Sends a delivery again, under its ``webhook-id``."""
        return cast(models.WebhookDelivery, self._transport.call(routes.REPLAY_WEBHOOK_DELIVERY, delivery_id))

    def secret(self) -> models.WebhookSigningSecret:
        """What signs calls to the ``webhook_url`` of single requests."""
        return cast(models.WebhookSigningSecret, self._transport.call(routes.GET_WEBHOOK_SIGNING_SECRET))

    def rotate_signing_secret(self) -> models.WebhookSigningSecret:
        """Replaces it; the old one signs, too, for 24 hours."""
        return cast(models.WebhookSigningSecret, self._transport.call(routes.ROTATE_WEBHOOK_SIGNING_SECRET))

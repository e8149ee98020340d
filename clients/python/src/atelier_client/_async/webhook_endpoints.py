"""The endpoints that the service calls, and what it sent them."""

from collections.abc import AsyncIterator
from typing import Unpack, cast

from atelier_client import models, routes
from atelier_client._async.pages import list_all
from atelier_client._async.transport import AsyncTransport


class AsyncWebhookEndpoints:
    """``client.webhooks``."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def create(self, **endpoint: Unpack[models.NewWebhook]) -> models.WebhookWithSecret:
        """A new endpoint. Keep its ``secret``: it is shown this once."""
        return cast(models.WebhookWithSecret, await self._transport.call(routes.CREATE_WEBHOOK, json=endpoint))

    async def list(self) -> AsyncIterator[models.Webhook]:
        """All endpoints, newest first."""
        async for item in list_all(self._transport, routes.LIST_WEBHOOKS, {}):
            yield item

    async def get(self, id: str) -> models.Webhook:
        """An endpoint."""
        return cast(models.Webhook, await self._transport.call(routes.GET_WEBHOOK, id))

    async def update(self, id: str, **change: Unpack[models.WebhookChange]) -> models.Webhook:
        """Changes the fields that are named."""
        return cast(models.Webhook, await self._transport.call(routes.UPDATE_WEBHOOK, id, json=change))

    async def delete(self, id: str) -> None:
        """Removes an endpoint."""
        await self._transport.call(routes.DELETE_WEBHOOK, id)

    async def rotate_secret(self, id: str) -> models.WebhookWithSecret:
        """A new secret; the old one signs, too, for 24 hours."""
        return cast(models.WebhookWithSecret, await self._transport.call(routes.ROTATE_WEBHOOK_SECRET, id))

    async def test(self, id: str) -> models.WebhookDelivery:
        """Sends a ``webhook.test``."""
        return cast(models.WebhookDelivery, await self._transport.call(routes.TEST_WEBHOOK, id))

    async def deliveries(
        self, *, state: str | None = None, generation_id: str | None = None
    ) -> AsyncIterator[models.WebhookDelivery]:
        """What was sent, newest first, with every attempt."""
        query = {"state": state, "generation_id": generation_id}
        async for item in list_all(self._transport, routes.LIST_WEBHOOK_DELIVERIES, query):
            yield item

    async def replay(self, delivery_id: str) -> models.WebhookDelivery:
        """Sends a delivery again, under its ``webhook-id``."""
        return cast(models.WebhookDelivery, await self._transport.call(routes.REPLAY_WEBHOOK_DELIVERY, delivery_id))

    async def secret(self) -> models.WebhookSigningSecret:
        """What signs calls to the ``webhook_url`` of single requests."""
        return cast(models.WebhookSigningSecret, await self._transport.call(routes.GET_WEBHOOK_SIGNING_SECRET))

    async def rotate_signing_secret(self) -> models.WebhookSigningSecret:
        """Replaces it; the old one signs, too, for 24 hours."""
        return cast(models.WebhookSigningSecret, await self._transport.call(routes.ROTATE_WEBHOOK_SIGNING_SECRET))

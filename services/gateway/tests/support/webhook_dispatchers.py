"""A database with deliveries in it and senders for them, in the hands of a test."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from prometheus_client import REGISTRY
from pydantic import SecretStr
from uuid_utils.compat import uuid7

from atelier_contracts import Owner
from atelier_gateway.webhooks import delivery_store, endpoint_store
from atelier_gateway.webhooks.delivery_store import NewDelivery, WebhookDelivery
from atelier_gateway.webhooks.dispatcher import DispatchPolicy, WebhookDispatcher
from atelier_gateway.webhooks.signing import SigningSecrets
from atelier_messaging import UnitOfWork
from atelier_messaging.database import Pool
from atelier_messaging.outbox import Outbox
from atelier_messaging.publisher import Publisher
from atelier_storage.objects import ObjectStore
from atelier_storage.safe_poster import SafePoster
from atelier_storage.settings import StorageSettings

from .webhook_receiver import Receiver, open_receiver

SECRETS = SigningSecrets(SecretStr("the pepper of the tests"))
OUTCOMES = ("delivered", "retried")
STORE = StorageSettings(endpoint="http://127.0.0.1:9", access_key="a", secret_key="s", bucket="pictures")
AGAIN = """
UPDATE webhook_deliveries
SET next_try_at = now(), leased_until = CASE WHEN claim IS NOT NULL THEN now() - interval '1 second' END
WHERE state = 'pending'
"""
"""As if all waits and leases were over."""


@dataclass
class Desk:
    """A database with deliveries in it, and senders for them."""

    pool: Pool

    def sender(
        self, *, loopback: bool = True, schedule: tuple[float, ...] = (60, 60), timeout_s: float = 60
    ) -> WebhookDispatcher:
        work = UnitOfWork(self.pool, Outbox(self.pool, Publisher("amqp://127.0.0.1/", "tests")), "tests")
        poster = SafePoster(timeout_s=timeout_s, loopback=loopback)
        return WebhookDispatcher(work, SECRETS, ObjectStore(STORE), poster, DispatchPolicy(schedule, timeout_s, 64, 5))

    async def send_all(self, sender: WebhookDispatcher) -> None:
        """Everything that is due, and what that makes due."""
        while await sender.send_due():
            await sender.wait_until_idle()

    async def endpoint(self, url: str, owner: Owner) -> UUID:
        id_ = uuid7()
        async with self.pool.acquire() as connection, connection.transaction():
            assert await endpoint_store.insert(connection, owner, id_, url, "", [], uuid7())
        return id_

    async def note(self, owner: Owner, endpoint: UUID, *, about: UUID | None = None, number: int = 1) -> list[UUID]:
        new = [_delivery(owner, endpoint, about or uuid4()) for _ in range(number)]
        async with self.pool.acquire() as connection:
            await delivery_store.insert(connection, new)
        return [delivery.id for delivery in new]

    async def find_delivery(self, owner: Owner, id_: UUID) -> WebhookDelivery:
        found = await delivery_store.find(self.pool, owner, id_)
        assert found is not None
        return found

    async def find_endpoint(self, owner: Owner, endpoint: UUID) -> endpoint_store.Endpoint:
        found = await endpoint_store.find(self.pool, owner, endpoint)
        assert found is not None
        return found


def _delivery(owner: Owner, endpoint: UUID, about: UUID) -> NewDelivery:
    receiver_with_endpoint: dict[str, Any] = {
        "type": "generation.queued",
        "timestamp": "2026-01-01T12:00:00+00:00",
        "data": {},
    }
    return NewDelivery(
        uuid7(), owner, endpoint, None, str(endpoint), "generation.queued", about, receiver_with_endpoint
    )


@asynccontextmanager
async def receiver_with_endpoint(desk: Desk, owner: Owner, *answers: str) -> AsyncIterator[tuple[Receiver, UUID]]:
    """A receiver, and an endpoint that leads there."""
    async with open_receiver(*answers) as receiver:
        yield receiver, await desk.endpoint(receiver.url, owner)


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not holds():  # noqa: ASYNC110 - it happens in a server beside us
            await asyncio.sleep(0.01)


async def send_until(sender: WebhookDispatcher, holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not holds():
            await sender.send_due()
            await asyncio.sleep(0.01)


def read_metrics() -> list[float]:
    """Delivered, retried, and how many delays were measured."""
    tried = [REGISTRY.get_sample_value("atelier_webhook_attempts_total", {"outcome": outcome}) for outcome in OUTCOMES]
    return [number or 0.0 for number in (*tried, REGISTRY.get_sample_value("atelier_webhook_seconds_count"))]

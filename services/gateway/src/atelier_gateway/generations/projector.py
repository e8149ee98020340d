"""Applies events to the projection: what changed is saved, logged, enqueued for webhooks, and wakes those who wait."""

from collections.abc import Sequence
from uuid import UUID

from atelier_contracts import ArtefactsExpired, Event
from atelier_gateway.generations.generation_log import log_ends
from atelier_gateway.projection import result_files
from atelier_gateway.projection import store as projection_store
from atelier_gateway.projection.snapshot import fold
from atelier_gateway.projection.waiter import GenerationWaiter
from atelier_gateway.webhooks.enqueuer import DeliveryEnqueuer
from atelier_messaging import Delivery, Transaction


class Projector:
    """Folds events into the projection, inside the caller's transaction."""

    def __init__(self, waiter: GenerationWaiter, enqueuer: DeliveryEnqueuer) -> None:
        self._waiter = waiter
        self._enqueuer = enqueuer

    async def apply(self, tx: Transaction, deliveries: Sequence[Delivery]) -> set[UUID]:
        """Applies the events among these messages; returns the ids of the generations that changed."""
        events = [(d.message, d.envelope.time) for d in deliveries if isinstance(d.message, Event)]
        snapshots = await projection_store.lock_snapshots(tx.connection, {event.generation_id for event, _ in events})
        changed = fold(snapshots, events)
        saved = await projection_store.save_snapshots(tx.connection, changed)
        await result_files.add_results(tx.connection, changed)
        expired = {event.generation_id for event, _ in events if isinstance(event, ArtefactsExpired)}
        if expired:
            await projection_store.expire_outputs(tx.connection, expired)
        await self._enqueuer.enqueue(tx, snapshots, saved.subscribed, deliveries)
        tx.after_commit(lambda: log_ends(saved.ended, changed))
        self._waiter.wake(changed)
        return set(changed)

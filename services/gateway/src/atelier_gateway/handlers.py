"""What the gateway does with what it hears on the bus: keeps the projection up to date."""

from collections.abc import Sequence
from uuid import UUID

from atelier_contracts import ArtefactsExpired, Event
from atelier_gateway.generations.generation_log import log_ends
from atelier_gateway.media import store as media_store
from atelier_gateway.projection import snapshot
from atelier_gateway.projection import store as projection_store
from atelier_gateway.projection.waiter import GenerationWaiter
from atelier_gateway.webhooks.enqueuer import DeliveryEnqueuer
from atelier_messaging import Delivery, Transaction


async def project(waiting: GenerationWaiter, noting: DeliveryEnqueuer, work: Transaction) -> None:
    """A batch of events from the bus."""
    await project_events(waiting, noting, work, [d for d in work.fresh if isinstance(d.message, Event)])


async def project_events(
    waiting: GenerationWaiter, noting: DeliveryEnqueuer, work: Transaction, heard: Sequence[Delivery]
) -> set[UUID]:
    """Loads what the events speak of, folds them in, saves what changed, notes who is told, wakes who waits. Answers
    which generations changed."""
    events = [(d.message, d.envelope.time) for d in heard if isinstance(d.message, Event)]
    snapshots = await projection_store.lock_snapshots(work.connection, {event.generation_id for event, _ in events})
    changed = snapshot.fold(snapshots, events)
    saved = await projection_store.save_snapshots(work.connection, changed)
    await media_store.add_results(work.connection, changed)
    expired = {event.generation_id for event, _ in events if isinstance(event, ArtefactsExpired)}
    if expired:
        await projection_store.expire_outputs(work.connection, expired)
    await noting.enqueue(work, snapshots, saved.subscribed, heard)
    work.after_commit(lambda: log_ends(saved.ended, changed))
    waiting.wake(changed)
    return set(changed)

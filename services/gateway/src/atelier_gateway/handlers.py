"""What the gateway does with what it hears on the bus: keeps the projection up to date."""

from collections.abc import Sequence
from uuid import UUID

from atelier_contracts import ArtefactsExpired, Event
from atelier_gateway.generations.generation_log import log_ends
from atelier_gateway.media import store as files
from atelier_gateway.projection import snapshot as projection
from atelier_gateway.projection import store as generations
from atelier_gateway.projection.waiter import Waiting
from atelier_gateway.webhooks.enqueuer import Noting
from atelier_messaging import Delivery, Transaction


async def project(waiting: Waiting, noting: Noting, work: Transaction) -> None:
    """A batch of events from the bus."""
    await project_events(waiting, noting, work, [d for d in work.fresh if isinstance(d.message, Event)])


async def project_events(waiting: Waiting, noting: Noting, work: Transaction, heard: Sequence[Delivery]) -> set[UUID]:
    """Loads what the events speak of, folds them in, saves what changed, notes who is told, wakes who waits. Answers
    which generations changed."""
    events = [(d.message, d.envelope.time) for d in heard if isinstance(d.message, Event)]
    snapshots = await generations.lock_snapshots(work.connection, {event.generation_id for event, _ in events})
    changed = projection.fold(snapshots, events)
    saved = await generations.save_snapshots(work.connection, changed)
    await files.add_results(work.connection, changed)
    expired = {event.generation_id for event, _ in events if isinstance(event, ArtefactsExpired)}
    if expired:
        await generations.expire_outputs(work.connection, expired)
    await noting.note(work, snapshots, saved.listened_to, heard)
    work.after_commit(lambda: log_ends(saved.ended, changed))
    waiting.wake(changed)
    return set(changed)

"""Applies events to the projection: what changed is saved, logged, enqueued for webhooks and subscribers, and wakes
those who wait."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from uuid import UUID

from atelier_contracts import (
    ArtefactsExpired,
    BooksCorrected,
    CapReached,
    CapSet,
    CreditGranted,
    CreditReturned,
    Event,
    GenerationReady,
)
from atelier_gateway.disputes.settlement import DisputeSettler, is_return
from atelier_gateway.generations import bucket_store
from atelier_gateway.generations.generation_log import log_ends
from atelier_gateway.peers import unconfirmed_store
from atelier_gateway.projection import result_files, unlocked_changes
from atelier_gateway.projection import store as projection_store
from atelier_gateway.projection.changes import save_snapshots
from atelier_gateway.projection.snapshot import TERMINAL, Snapshot, fold
from atelier_gateway.projection.waiter import GenerationWaiter
from atelier_gateway.subscriptions import event_log
from atelier_gateway.subscriptions.facts import Fact, book_facts, facts_of
from atelier_gateway.webhooks.enqueuer import DeliveryEnqueuer
from atelier_messaging import Delivery, Transaction
from atelier_telemetry.tracing import traceparent_of

BILLING_OUTCOMES = CreditGranted | BooksCorrected | CapSet
LOCKING = ArtefactsExpired | CreditReturned | CapReached | BILLING_OUTCOMES
"""What is not handled in one statement."""
NO_REPEATS: Mapping[UUID, bool] = MappingProxyType({})


class Projector:
    """Folds events into the projection, inside the caller's transaction."""

    def __init__(
        self,
        waiter: GenerationWaiter,
        enqueuer: DeliveryEnqueuer,
        disputes: DisputeSettler,
        publish_soon: Callable[[], object] = lambda: None,
        put_soon: Callable[[], object] = lambda: None,
    ) -> None:
        """``publish_soon`` is called when public events were logged, ``put_soon`` when outputs can be delivered."""
        self._waiter = waiter
        self._enqueuer = enqueuer
        self._disputes = disputes
        self._publish_soon = publish_soon
        self._put_soon = put_soon

    async def apply(self, tx: Transaction, deliveries: Sequence[Delivery]) -> set[UUID]:
        """Applies the events among these messages; returns the ids of the generations that changed."""
        events = [(d.message, d.envelope.time) for d in deliveries if isinstance(d.message, Event)]
        ids = {event.generation_id for event, _ in events}
        returns = [delivery.message for delivery in deliveries if is_return(delivery.message)]
        is_rare = any(isinstance(delivery.message, LOCKING) for delivery in deliveries)
        if tx.late_claim and not is_rare:
            found = await unlocked_changes.read(tx, ids)
            if not any(each.is_listened_to for each in found.values()):
                return self._write(tx, found, events, deliveries)
        connection = await tx.begin()
        snapshots = await projection_store.lock_snapshots(connection, ids)
        changed = fold(snapshots, events)
        saved = await save_snapshots(connection, changed)
        result_files.add_results(tx, changed)
        self._note_ready(tx, events)
        expired = {event.generation_id for event, _ in events if isinstance(event, ArtefactsExpired)}
        if expired:
            await tx.flush()  # the results that expire are there
            await projection_store.expire_outputs(connection, expired)
        returned = {e.generation_id: e.returned for e, _ in events if isinstance(e, CreditReturned)}
        if returned:
            await projection_store.note_returns(connection, returned)
        outcomes = [delivery.message for delivery in deliveries if isinstance(delivery.message, BILLING_OUTCOMES)]
        is_news = await unconfirmed_store.confirm(connection, outcomes) if outcomes else {}
        settled = await self._disputes.settle(tx, returns) if returns else []
        await self._enqueuer.enqueue(tx, snapshots, saved.subscribed, deliveries)
        await self._enqueuer.enqueue_caps(tx, deliveries)
        self._log_facts(tx, snapshots, deliveries, settled, is_news)
        tx.after_commit(lambda: log_ends(saved.ended, changed))
        self._waiter.wake(changed)
        return set(changed)

    def _write(
        self,
        tx: Transaction,
        found: Mapping[UUID, unlocked_changes.Read],
        events: Sequence[tuple[Event, datetime]],
        deliveries: Sequence[Delivery],
    ) -> set[UUID]:
        """The same in one statement, for generations without a webhook."""
        before = {id_: each.snapshot for id_, each in found.items()}
        changed = fold(before, events)
        unlocked_changes.write(tx, found, changed)
        result_files.add_results(tx, changed)
        self._note_ready(tx, events)
        self._log_facts(tx, before, deliveries)
        ended = [found[id_].end for id_, snapshot in changed.items() if snapshot.rank == TERMINAL]
        tx.after_commit(lambda: log_ends(ended, changed))
        tx.after_commit(lambda: self._waiter.wake(changed))
        return set(changed)

    def _note_ready(self, tx: Transaction, events: Sequence[tuple[Event, datetime]]) -> None:
        """Outputs that can be delivered now may be due in their clients' buckets."""
        ready = [(event.generation_id, event.made) for event, _ in events if isinstance(event, GenerationReady)]
        if ready:
            bucket_store.insert(tx, ready)
            tx.after_commit(self._put_soon)

    def _log_facts(
        self,
        tx: Transaction,
        before: Mapping[UUID, Snapshot],
        deliveries: Sequence[Delivery],
        others: Sequence[Fact] = (),
        is_news: Mapping[UUID, bool] = NO_REPEATS,
    ) -> None:
        """With the writes at the end of the transaction: the log is locked from there to the commit."""
        heard = [(d.message, d.envelope.time, traceparent_of(d.span)) for d in deliveries]
        facts = facts_of(before, [(event, at, trace) for event, at, trace in heard if isinstance(event, Event)])
        facts += [*book_facts(heard, is_news), *others]
        if facts:
            event_log.append(tx, facts)
            tx.after_commit(self._publish_soon)

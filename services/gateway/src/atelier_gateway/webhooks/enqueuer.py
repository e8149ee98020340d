"""Enqueues deliveries in the transaction that changes the generation: both are committed, or neither."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from atelier_contracts import CapReached, Event, Owner
from atelier_gateway.projection.caps import cap_view
from atelier_gateway.projection.snapshot import Snapshot
from atelier_gateway.projection.store import Generation
from atelier_gateway.webhooks import delivery_store, endpoint_store
from atelier_gateway.webhooks.delivery_store import NewDelivery, Subscriber
from atelier_gateway.webhooks.events import CAP_REACHED, StateChange, state_changes
from atelier_gateway.webhooks.payloads import build_payload
from atelier_gateway.webhooks.receiver_urls import host_of
from atelier_messaging import Delivery, Transaction
from atelier_telemetry.tracing import current_traceparent, traceparent_of

REJECTED_AFTER_S = 15.0
"""A rejection waits so long. Where the POST itself said so, which takes five seconds, the generation is forgotten and
its deliveries with it (``generations/admission.py``); only where the answer was 201 by then they are sent."""

RenderGeneration = Callable[[Generation], dict[str, Any]]
"""The generation as its owner sees it; what must be signed when it is sent carries marks (``payloads``)."""


class DeliveryEnqueuer:
    """Writes down deliveries; ``wake`` is called when there are any."""

    def __init__(self, show: RenderGeneration, wake: Callable[[], object]) -> None:
        self._render = show
        self._wake = wake

    async def enqueue(
        self,
        work: Transaction,
        before: Mapping[UUID, Snapshot],
        listened_to: Collection[UUID],
        heard: Sequence[Delivery],
    ) -> None:
        """Enqueues the changes of these messages; ``before`` is the earlier state, ``listened_to`` the observed ids."""
        if listened_to:
            events = [
                (change.message, change.envelope.time, traceparent_of(change.span))
                for change in heard
                if isinstance(change.message, Event)
            ]
            await self.enqueue_changes(work, state_changes(before, events), listened_to)

    async def enqueue_changes(
        self, work: Transaction, found: Sequence[StateChange], listened_to: Collection[UUID]
    ) -> None:
        """The same for changes without a message."""
        if not listened_to:
            return
        listeners = await delivery_store.find_subscribers(work.connection, listened_to)
        now = datetime.now(UTC)
        new = [
            self._delivery(step, endpoint, now)
            for step in found
            for endpoint in listeners
            if _subscribes_to(endpoint, step)
        ]
        if new:
            await _ensure_secrets(work, [delivery.owner for delivery in new if delivery.url is not None])
            await delivery_store.insert(work.connection, new)
            work.after_commit(self._wake)

    async def enqueue_event(self, work: Transaction, generation_id: UUID, type_: str, data: Mapping[str, Any]) -> None:
        """The same for what happens to a generation after its end, for the endpoints of its owner."""
        listeners = await delivery_store.find_subscribers(work.connection, [generation_id])
        now = datetime.now(UTC)
        new = [
            NewDelivery(
                uuid7(),
                listener.generation.owner,
                listener.endpoint_id,
                None,
                concurrency_key(listener.generation.owner, listener.endpoint_id, None),
                type_,
                generation_id,
                build_payload(type_, now, dict(data)),
                current_traceparent(),
            )
            for listener in listeners
            if listener.endpoint_id is not None and (not listener.events or type_ in listener.events)
        ]
        if new:
            await delivery_store.insert(work.connection, new)
            work.after_commit(self._wake)

    async def enqueue_caps(self, tx: Transaction, heard: Sequence[Delivery]) -> None:
        """Enqueues the caps reached among these messages, for the endpoints of the accounts that they are of."""
        reached = [(d.message, d.envelope.time, traceparent_of(d.span)) for d in heard]
        reached_caps = [(message, at, trace) for message, at, trace in reached if isinstance(message, CapReached)]
        owners = {message.cap.owner for message, _, _ in reached_caps}
        endpoints = await delivery_store.find_endpoints(tx.connection, owners, CAP_REACHED) if owners else {}
        new = [
            NewDelivery(
                uuid7(),
                owner,
                endpoint_id,
                None,
                concurrency_key(owner, endpoint_id, None),
                CAP_REACHED,
                None,
                build_payload(CAP_REACHED, at, {"percent": message.percent, "cap": cap_view(message.cap)}),
                trace,
            )
            for message, at, trace in reached_caps
            for endpoint_id, owner in endpoints.items()
            if owner == message.cap.owner
        ]
        if new:
            await delivery_store.insert(tx.connection, new)
            tx.after_commit(self._wake)

    def _delivery(self, step: StateChange, listener: Subscriber, now: datetime) -> NewDelivery:
        told, url = listener.generation, listener.url
        then = Generation(
            told.id, told.channel, told.owner, told.kind, told.surface, told.request, told.price, told.created_at,
            told.updated_at, step.snapshot,
        )  # fmt: skip
        return NewDelivery(
            uuid7(),
            told.owner,
            listener.endpoint_id,
            url,
            concurrency_key(told.owner, listener.endpoint_id, url),
            step.type,
            told.id,
            build_payload(step.type, now, self._render(then)),
            step.traceparent,
            REJECTED_AFTER_S if step.snapshot.state == "rejected" else 0.0,
        )


def concurrency_key(owner: Owner, endpoint_id: UUID | None, url: str | None) -> str:
    """What shares a bound: an endpoint, or a host that one owner's single requests name."""
    return str(endpoint_id) if url is None else f"{owner.id} {host_of(url)}"


def _subscribes_to(listener: Subscriber, step: StateChange) -> bool:
    """The URL of a single request gets its end, and that its outputs can be taken."""
    if listener.generation.id != step.generation_id:
        return False
    is_for_request = step.is_final or step.snapshot.state == "delivering"
    return is_for_request if listener.url is not None else not listener.events or step.type in listener.events


async def _ensure_secrets(work: Transaction, owners: Sequence[Owner]) -> None:
    if owners:
        distinct = sorted({(owner.kind, owner.id): owner for owner in owners}.values(), key=lambda owner: owner.id)
        await endpoint_store.ensure_secrets(work.connection, distinct, [uuid7() for _ in distinct])

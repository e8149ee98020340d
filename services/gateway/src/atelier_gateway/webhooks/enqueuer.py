"""Writing down what shall be told, in the transaction that changes the generation: both are committed, or neither."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from atelier_contracts import Event, Owner
from atelier_gateway.projection.snapshot import Snapshot
from atelier_gateway.projection.store import Generation
from atelier_gateway.webhooks import delivery_store as deliveries
from atelier_gateway.webhooks import endpoint_store as webhooks
from atelier_gateway.webhooks.delivery_store import Listener, NewDelivery
from atelier_gateway.webhooks.events import Step, steps
from atelier_gateway.webhooks.payloads import payload
from atelier_gateway.webhooks.receiver_urls import host_of
from atelier_messaging import Delivery, Transaction
from atelier_telemetry.tracing import traceparent_of

REJECTED_AFTER_S = 15.0
"""A rejection waits so long. Where the POST itself said so, which takes five seconds, the generation is forgotten and
its deliveries with it (``store/claims.py``); only who was answered 201 meanwhile is told."""

Show = Callable[[Generation], dict[str, Any]]
"""The generation as its owner sees it; what must be signed when it is sent carries marks (``payloads``)."""


class Noting:
    """Writes down deliveries; ``wake`` is called when there are any."""

    def __init__(self, show: Show, wake: Callable[[], object]) -> None:
        self._show = show
        self._wake = wake

    async def note(
        self,
        work: Transaction,
        before: Mapping[UUID, Snapshot],
        listened_to: Collection[UUID],
        heard: Sequence[Delivery],
    ) -> None:
        """What these messages bring about; ``before`` is how it was, ``listened_to`` whom that concerns."""
        if listened_to:
            events = [
                (one.message, one.envelope.time, traceparent_of(one.span))
                for one in heard
                if isinstance(one.message, Event)
            ]
            await self.note_steps(work, steps(before, events), listened_to)

    async def note_steps(self, work: Transaction, found: Sequence[Step], listened_to: Collection[UUID]) -> None:
        """The same for steps that no message told of."""
        if not listened_to:
            return
        listeners = await deliveries.listeners(work.connection, listened_to)
        now = datetime.now(UTC)
        new = [self._delivery(step, one, now) for step in found for one in listeners if _wants(one, step)]
        if new:
            await _ensure_secrets(work, [one.owner for one in new if one.url is not None])
            await deliveries.insert(work.connection, new)
            work.after_commit(self._wake)

    def _delivery(self, step: Step, listener: Listener, now: datetime) -> NewDelivery:
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
            target_of(told.owner, listener.endpoint_id, url),
            step.type,
            told.id,
            payload(step.type, now, self._show(then)),
            step.traceparent,
            REJECTED_AFTER_S if step.snapshot.state == "rejected" else 0.0,
        )


def target_of(owner: Owner, endpoint_id: UUID | None, url: str | None) -> str:
    """What shares a bound: an endpoint, or a host that one owner's single requests name."""
    return str(endpoint_id) if url is None else f"{owner.id} {host_of(url)}"


def _wants(listener: Listener, step: Step) -> bool:
    """The URL of a single request is told how it ended."""
    if listener.generation.id != step.generation_id:
        return False
    return step.ends if listener.url is not None else not listener.events or step.type in listener.events


async def _ensure_secrets(work: Transaction, owners: Sequence[Owner]) -> None:
    if owners:
        distinct = sorted({(owner.kind, owner.id): owner for owner in owners}.values(), key=lambda owner: owner.id)
        await webhooks.ensure_secrets(work.connection, distinct, [uuid7() for _ in distinct])

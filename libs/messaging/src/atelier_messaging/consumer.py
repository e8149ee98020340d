"""Consuming in batches: one transaction and one acknowledgement for many messages, each handled once.

A batch that fails because the database is gone is kept and tried again. A batch that fails for any other reason is
halved until the message at fault stands alone: poison goes to the dead-letter queue with its reason, a surprise
climbs the retry ladder first; its neighbours go on.
"""

import logging
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from aio_pika.abc import AbstractIncomingMessage

from atelier_contracts import Envelope, Undecodable, unwrap
from atelier_contracts.bundle import RawMessage, unpack
from atelier_messaging import failpoints, topology
from atelier_messaging.ack_tracker import AckTracker, is_suspect
from atelier_messaging.errors import Poison, Transient
from atelier_messaging.outages import until_available
from atelier_messaging.publisher import OutgoingMessage, Publisher, PublishOutcome
from atelier_messaging.senders import EVERYBODY, SENDER_HEADER, Senders
from atelier_messaging.unit_of_work import Delivery, Transaction, UnitOfWork
from atelier_telemetry import attributes, metrics
from atelier_telemetry.tracing import SpanKind, parent_from, tracer

Handler = Callable[[Transaction], Awaitable[None]]
"""Handles ``tx.fresh``, all of it, in order."""

ATTEMPT_HEADER = "x-atelier-attempt"
REASON_HEADER = "x-atelier-reason"
REASON_CHARS_MAX = 1_000
BATCH_MAX = 200
"""Messages in one transaction at most, however many frames they came in."""
OUTAGE_PAUSE_S = 0.2
OUTAGE_PAUSE_S_MAX = 5.0
logger = logging.getLogger(__name__)
_tracer = tracer(__name__)


class Batches(Protocol):
    """Where a consumer finds what has arrived."""

    async def next(self) -> Sequence[AbstractIncomingMessage]:
        """At least one message, in order of arrival."""


@dataclass(slots=True, eq=False)
class _Received:
    message: RawMessage
    envelope: Envelope

    @property
    def attempt(self) -> int:
        """How often it was set aside before; a count that is none counts as 0, for anybody may publish to a queue."""
        count = self.message.headers.get(ATTEMPT_HEADER)
        return count if isinstance(count, int) and count > 0 else 0


class Consumer:
    """Works off one queue with one handler."""

    def __init__(
        self, queue: str, handler: Handler, unit: UnitOfWork, publisher: Publisher, senders: Senders = EVERYBODY
    ) -> None:
        self.queue = queue
        self._handler = handler
        self._unit = unit
        self._publisher = publisher
        self._senders = senders

    async def run(self, batches: Batches) -> None:
        """For ever: take what has arrived, settle every message of it, acknowledge all with one ack."""
        tracker = AckTracker()
        while True:
            raws = await batches.next()
            plain = [raw for raw in raws if not is_suspect(raw)]
            if plain:
                with metrics.BATCH_SECONDS.labels(self.queue).time():
                    await self._settle(plain)
                metrics.BATCH_MESSAGES.labels(self.queue).observe(len(plain))
                failpoints.reach("before_ack")
                await tracker.acknowledge(plain)
                failpoints.reach("after_ack")
            await self._settle_singly([raw for raw in raws if is_suspect(raw)], tracker)

    async def _settle_singly(self, raws: Sequence[AbstractIncomingMessage], tracker: AckTracker) -> None:
        """Each frame, and each message in it, for itself, and acknowledged before the next: one of them may kill this
        process again. In any order, for with a fixed one those behind the killer would never have their turn."""
        for raw in random.sample(raws, len(raws)):
            logger.warning("%s: frame %s is delivered once more, alone", self.queue, raw.message_id)
            messages = await self._unpack_frame(raw)
            for message in random.sample(messages, len(messages)):
                await self._settle_messages([message])
            await tracker.acknowledge_alone(raw)

    async def _settle(self, raws: Sequence[AbstractIncomingMessage]) -> None:
        await self._settle_messages([message for raw in raws for message in await self._unpack_frame(raw)])

    async def _settle_messages(self, messages: Sequence[RawMessage]) -> None:
        received = []
        for message in messages:
            try:
                envelope = unwrap(message.body, message.headers)
            except Undecodable as poison:
                await self._dead_letter(message, str(poison))
                continue
            sender = message.headers.get(SENDER_HEADER)
            refusal = self._senders.refusal(sender if isinstance(sender, str) else None, type(envelope.message))
            if refusal is None:
                received.append(_Received(message, envelope))
            else:
                await self._dead_letter(message, refusal)
        for start in range(0, len(received), BATCH_MAX):
            await self._apply(received[start : start + BATCH_MAX])

    async def _unpack_frame(self, raw: AbstractIncomingMessage) -> list[RawMessage]:
        """The messages of a frame, mostly one; each says who sent the frame first."""
        sender = {SENDER_HEADER: self._senders.of(raw.user_id, raw.headers or {})}
        whole = RawMessage(raw.body, {**(raw.headers or {}), **sender}, raw.message_id or "")
        try:
            found = unpack(whole.body, whole.headers, content_type=raw.content_type, message_id=whole.message_id)
            return [RawMessage(message.body, {**message.headers, **sender}, message.message_id) for message in found]
        except Undecodable as poison:
            await self._dead_letter(whole, str(poison))
            return []

    async def _apply(self, received: Sequence[_Received]) -> None:
        """Handles all, halving on failure until the message at fault is alone."""
        try:
            await self._until_available(lambda: self._handle(received), "a batch")
        except Exception as error:  # noqa: BLE001 - every fate is decided below, none is swallowed
            if len(received) > 1:
                middle = len(received) // 2
                await self._apply(received[:middle])
                await self._apply(received[middle:])
            else:
                await self._retry_or_dead_letter(received[0], error)

    async def _handle(self, received: Sequence[_Received]) -> None:
        deliveries = [self._delivery(item.envelope) for item in received]
        try:
            async with self._unit.once(self.queue, deliveries) as tx:
                if tx.fresh:
                    await self._handler(tx)
                applied = len(tx.fresh)
        finally:
            for delivery in deliveries:
                delivery.span.end()
        metrics.CONSUMED.labels(self.queue, "applied").inc(applied)
        metrics.CONSUMED.labels(self.queue, "duplicate").inc(len(deliveries) - applied)

    def _delivery(self, envelope: Envelope) -> Delivery:
        span = _tracer.start_span(
            f"{self.queue} process {envelope.message.name}",
            context=parent_from(envelope.traceparent),
            kind=SpanKind.CONSUMER,
        )
        if span.is_recording():
            span.set_attributes(
                {
                    attributes.GENERATION_ID: str(envelope.message.subject),
                    attributes.MESSAGING_SYSTEM: "rabbitmq",
                    attributes.MESSAGING_DESTINATION: self.queue,
                    attributes.MESSAGING_ID: str(envelope.id),
                }
            )
        return Delivery(envelope, span)

    async def _retry_or_dead_letter(self, received: _Received, error: Exception) -> None:
        """One message failed alone: later again, or never."""
        rung = retry_step(received.attempt, error)
        if rung is None:
            await self._dead_letter(received.message, f"{type(error).__name__}: {error}")
            return
        logger.warning("%s: again in %s s: %r", self.queue, topology.RETRY_DELAYS_S[rung], error, exc_info=error)
        metrics.CONSUMED.labels(self.queue, "retried").inc()
        headers = {**topology.portable_headers(received.message.headers), ATTEMPT_HEADER: received.attempt + 1}
        await self._move(received.message, headers, topology.retry_exchange(rung))

    async def _dead_letter(self, message: RawMessage, reason: str) -> None:
        logger.error("%s: dead letter %s: %s", self.queue, message.message_id, reason)
        metrics.CONSUMED.labels(self.queue, "dead").inc()
        metrics.DEAD_LETTERS.labels(self.queue).inc()
        # A lone surrogate in an error's text could not be sent, and the message would stop this consumer for ever.
        sendable = reason[:REASON_CHARS_MAX].encode(errors="replace").decode()
        headers = {**topology.portable_headers(message.headers), REASON_HEADER: sendable}
        await self._move(message, headers, topology.DEAD_EXCHANGE)

    async def _move(self, message: RawMessage, headers: Mapping[str, object], exchange: str) -> None:
        """Lays the message elsewhere, for certain, before it is acknowledged here."""
        outgoing = OutgoingMessage(message.body, headers, message.message_id, self.queue, exchange)

        async def publish() -> None:
            if (await self._publisher.publish([outgoing]))[0] is not PublishOutcome.CONFIRMED:
                raise ConnectionError("the broker did not confirm it")

        await self._until_available(publish, f"moving message {message.message_id} to {exchange}")

    async def _until_available(self, act: Callable[[], Awaitable[None]], what: str) -> None:
        what = f"{self.queue}: {what}"
        await until_available(act, what=what, pause_s=OUTAGE_PAUSE_S, pause_s_max=OUTAGE_PAUSE_S_MAX)


def retry_step(attempt: int, error: Exception) -> int | None:
    """The rung of the retry ladder on which a message waits that failed alone; None when it is never tried again."""
    last = len(topology.RETRY_DELAYS_S) - 1
    if isinstance(error, Poison) or (attempt > last and not isinstance(error, Transient)):
        return None
    return min(attempt, last)

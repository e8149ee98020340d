"""Consuming in batches: one transaction and one acknowledgement for many messages, each handled once.

A batch that fails because the database is gone is kept and tried again. A batch that fails for any other reason is
halved until the message at fault stands alone: poison goes to the dead-letter queue with its reason, an
unexpected error through the retry levels first; the other messages go on.
"""

import logging
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from aio_pika.abc import AbstractIncomingMessage
from opentelemetry import trace

from atelier_contracts import Envelope, Undecodable, unwrap
from atelier_contracts.bundle import RawMessage, unpack
from atelier_messaging import failpoints, topology
from atelier_messaging.ack_tracker import AckTracker, is_suspect
from atelier_messaging.errors import Poison, Transient, is_outage
from atelier_messaging.message_spans import fail_processing, start_batch, start_processing
from atelier_messaging.outages import until_available
from atelier_messaging.publisher import OutgoingMessage, Publisher, PublishOutcome
from atelier_messaging.senders import EVERYBODY, SENDER_HEADER, Senders
from atelier_messaging.unit_of_work import Delivery, Transaction, UnitOfWork
from atelier_messaging.writes import WriteConflict
from atelier_telemetry import metrics
from atelier_telemetry.tracing import parent_from, trace_id_of

Handler = Callable[[Transaction], Awaitable[None]]
"""Handles ``tx.fresh``, all of it, in order. It may be called again for the same messages, if what it did is undone."""

ATTEMPT_HEADER = "x-atelier-attempt"
REASON_HEADER = "x-atelier-reason"
DEAD_AT_HEADER = "x-atelier-dead-at"
"""When a message was put aside, in seconds since 1970."""
REASON_CHARS_MAX = 1_000
BATCH_MAX = 200
"""Messages in one transaction at most, however many frames they came in."""
OUTAGE_PAUSE_S = 0.2
OUTAGE_PAUSE_S_MAX = 5.0
logger = logging.getLogger(__name__)


class Batches(Protocol):
    """The source of a consumer's messages."""

    async def next(self) -> Sequence[AbstractIncomingMessage]:
        """At least one message, in order of arrival."""


@dataclass(slots=True, eq=False)
class _Received:
    message: RawMessage
    envelope: Envelope

    @property
    def attempt(self) -> int:
        """How often it was retried before; an invalid count is 0, for any user of the broker may publish to a queue."""
        count = self.message.headers.get(ATTEMPT_HEADER)
        return count if isinstance(count, int) and count > 0 else 0


class Consumer:
    """Consumes one queue with one handler."""

    def __init__(
        self,
        queue: str,
        handler: Handler,
        unit: UnitOfWork,
        publisher: Publisher,
        senders: Senders = EVERYBODY,
        *,
        late_claim: bool = False,
    ) -> None:
        self.queue = queue
        self._late_claim = late_claim
        self._handler = handler
        self._unit = unit
        self._publisher = publisher
        self._senders = senders
        metrics.DEAD_LETTERS.labels(queue)  # at 0, so that the first is an increase

    async def run(self, batches: Batches) -> None:
        """Without end: takes what has arrived, settles every message of it, acknowledges all with one ack."""
        tracker = AckTracker()
        while True:
            raws = await batches.next()
            plain = [raw for raw in raws if not is_suspect(raw)]
            if plain:
                with metrics.child(metrics.BATCH_SECONDS, self.queue).time():
                    await self._settle(plain)
                metrics.child(metrics.BATCH_MESSAGES, self.queue).observe(len(plain))
                failpoints.reach("before_ack")
                await tracker.acknowledge(plain)
                failpoints.reach("after_ack")
            await self._settle_singly([raw for raw in raws if is_suspect(raw)], tracker)

    async def _settle_singly(self, raws: Sequence[AbstractIncomingMessage], tracker: AckTracker) -> None:
        """Settles each frame, and each message in it, alone, and acknowledges it before the next: one of them may kill
        this process again. In random order, for with a fixed one those behind it would never be handled."""
        for raw in random.sample(raws, len(raws)):
            logger.warning("%s: frame %s was delivered before in vain, handling it alone", self.queue, raw.message_id)
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
            except Undecodable as error:
                await self._dead_letter(message, str(error))
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
        """The messages of a frame, mostly one, each with the frame's first sender in a header."""
        sender = {SENDER_HEADER: self._senders.of(raw.user_id, raw.headers or {})}
        whole = RawMessage(raw.body, {**(raw.headers or {}), **sender}, raw.message_id or "")
        try:
            found = unpack(whole.body, whole.headers, content_type=raw.content_type, message_id=whole.message_id)
            return [RawMessage(message.body, {**message.headers, **sender}, message.message_id) for message in found]
        except Undecodable as error:
            await self._dead_letter(whole, str(error))
            return []

    async def _apply(self, received: Sequence[_Received]) -> None:
        """Handles all, halving on failure until the message at fault is alone."""
        try:
            await self._until_available(lambda: self._handle(received), "a batch")
        except Exception as error:  # noqa: BLE001 - every error is decided below, none is swallowed
            if len(received) > 1:
                middle = len(received) // 2
                await self._apply(received[:middle])
                await self._apply(received[middle:])
            else:
                await self._retry_or_dead_letter(received[0], error)

    async def _handle(self, received: Sequence[_Received]) -> None:
        began_ns = time.time_ns()
        deliveries = [Delivery(item.envelope, start_processing(self.queue, item.envelope)) for item in received]
        batch = start_batch(self.queue, [d.envelope for d in deliveries], [d.span for d in deliveries])
        try:
            applied = await self._handle_once(deliveries)
        except Exception as error:
            # Of what is undone and handled again no span is ended: it has left no effect.
            if len(deliveries) == 1 and not is_outage(error):
                fail_processing(deliveries[0].span, self.queue, deliveries[0].envelope, error, began_ns)
            raise
        for delivery in deliveries:
            delivery.span.end()
        batch.end()
        metrics.child(metrics.CONSUMED, self.queue, "applied").inc(applied)
        metrics.child(metrics.CONSUMED, self.queue, "duplicate").inc(len(deliveries) - applied)

    async def _handle_once(self, deliveries: Sequence[Delivery]) -> int:
        """How many were fresh. With a late claim a duplicate fails, in whatever way; then it is looked up first."""
        if self._late_claim:
            try:
                return await self._run_handler(deliveries, late_claim=True)
            except Exception as error:
                if is_outage(error) and not isinstance(error, WriteConflict):
                    raise
        return await self._run_handler(deliveries, late_claim=False)

    async def _run_handler(self, deliveries: Sequence[Delivery], *, late_claim: bool) -> int:
        async with self._unit.once(self.queue, deliveries, late_claim=late_claim) as tx:
            if tx.fresh:
                await self._handler(tx)
            return len(tx.fresh)

    async def _retry_or_dead_letter(self, received: _Received, error: Exception) -> None:
        """One message failed alone: it is retried later, or never."""
        level = retry_step(received.attempt, error)
        if level is None:
            await self._dead_letter(received.message, f"{type(error).__name__}: {error}")
            return
        id_, delay_s = received.message.message_id, topology.RETRY_DELAYS_S[level]
        text, known = "%s: message %s failed, retrying in %s s: %r", self._log_fields(received.message)
        logger.warning(text, self.queue, id_, delay_s, error, exc_info=error, extra=known)
        metrics.CONSUMED.labels(self.queue, "retried").inc()
        headers = {**topology.portable_headers(received.message.headers), ATTEMPT_HEADER: received.attempt + 1}
        await self._move(received.message, headers, topology.retry_exchange(level))

    async def _dead_letter(self, message: RawMessage, reason: str) -> None:
        text, known = "%s: message %s failed, moving it to the dead letters: %s", self._log_fields(message)
        logger.error(text, self.queue, message.message_id, reason, extra=known)
        metrics.CONSUMED.labels(self.queue, "dead").inc()
        metrics.DEAD_LETTERS.labels(self.queue).inc()
        # A lone surrogate in an error's text could not be sent, and the message would stop this consumer forever.
        sendable = reason[:REASON_CHARS_MAX].encode(errors="replace").decode()
        headers = {**topology.portable_headers(message.headers), REASON_HEADER: sendable}
        headers[DEAD_AT_HEADER] = int(time.time())
        await self._move(message, headers, topology.DEAD_EXCHANGE)

    def _log_fields(self, message: RawMessage) -> dict[str, object]:
        """By what its line is found: of most messages the subject is a generation."""
        known: dict[str, object] = {"queue": self.queue, "message_id": message.message_id}
        known["subject"] = str(message.headers.get("cloudEvents:subject", ""))
        trace_id = trace_id_of(trace.get_current_span(parent_from(str(message.headers.get("traceparent", "")))))
        return known | ({"trace_id": trace_id} if trace_id else {})

    async def _move(self, message: RawMessage, headers: Mapping[str, object], exchange: str) -> None:
        """Publishes the message to the exchange, with a confirm, before it is acknowledged here."""
        outgoing = OutgoingMessage(message.body, headers, message.message_id, self.queue, exchange)

        async def publish() -> None:
            if (await self._publisher.publish([outgoing]))[0] is not PublishOutcome.CONFIRMED:
                raise ConnectionError("the broker did not confirm it")

        await self._until_available(publish, f"moving message {message.message_id} to {exchange}")

    async def _until_available(self, act: Callable[[], Awaitable[None]], what: str) -> None:
        what = f"{self.queue}: {what}"
        await until_available(act, what=what, pause_s=OUTAGE_PAUSE_S, pause_s_max=OUTAGE_PAUSE_S_MAX)


def retry_step(attempt: int, error: Exception) -> int | None:
    """The retry level (index of ``RETRY_DELAYS_S``) of a message that failed alone; None when it is never retried."""
    last = len(topology.RETRY_DELAYS_S) - 1
    if isinstance(error, Poison) or (attempt > last and not isinstance(error, Transient)):
        return None
    return min(attempt, last)

"""Consuming in batches: one transaction and one acknowledgement for many messages, each handled once.

A batch that fails because the database is gone is kept and tried again. A batch that fails for any other reason is
halved until the message at fault stands alone: poison goes to the dead-letter queue with its reason, a surprise
climbs the retry ladder first; its neighbours go on.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from aio_pika.abc import AbstractIncomingMessage

from atelier_contracts import Envelope, Undecodable, unwrap
from atelier_contracts.bundle import Letter
from atelier_contracts.bundle import letters as opened
from atelier_messaging import failpoints, topology
from atelier_messaging.errors import Poison, Transient, is_outage
from atelier_messaging.publisher import Outcome, Outgoing, Publisher
from atelier_messaging.senders import EVERYBODY, SENDER_HEADER, Senders
from atelier_messaging.tally import Tally, is_suspect
from atelier_messaging.work import Delivery, UnitOfWork, Work
from atelier_telemetry import metrics, words
from atelier_telemetry.tracing import SpanKind, parent_from, tracer

Handler = Callable[[Work], Awaitable[None]]
"""Handles ``work.fresh``, all of it, in order."""

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
    letter: Letter
    envelope: Envelope

    @property
    def attempt(self) -> int:
        """How often it was set aside before; a count that is none counts as 0, for anybody may publish to a queue."""
        count = self.letter.headers.get(ATTEMPT_HEADER)
        return count if isinstance(count, int) and count > 0 else 0


class Consumer:
    """Works off one queue with one handler."""

    def __init__(
        self, queue: str, handler: Handler, work: UnitOfWork, publisher: Publisher, senders: Senders = EVERYBODY
    ) -> None:
        self.queue = queue
        self._handler = handler
        self._work = work
        self._publisher = publisher
        self._senders = senders

    async def run(self, batches: Batches) -> None:
        """For ever: take what has arrived, settle every message of it, acknowledge all with one ack."""
        tally = Tally()
        while True:
            raws = await batches.next()
            plain = [raw for raw in raws if not is_suspect(raw)]
            if plain:
                with metrics.BATCH_SECONDS.labels(self.queue).time():
                    await self._settle(plain)
                metrics.BATCH_MESSAGES.labels(self.queue).observe(len(plain))
                failpoints.reach("before_ack")
                await tally.acknowledge(plain)
                failpoints.reach("after_ack")
            await self._settle_singly([raw for raw in raws if is_suspect(raw)], tally)

    async def _settle_singly(self, raws: Sequence[AbstractIncomingMessage], tally: Tally) -> None:
        """Each frame, and each message in it, for itself, and acknowledged before the next: one of them may kill this
        process again. In any order, for with a fixed one those behind the killer would never have their turn."""
        for raw in random.sample(raws, len(raws)):
            logger.warning("%s: frame %s is delivered once more, alone", self.queue, raw.message_id)
            letters = await self._opened(raw)
            for letter in random.sample(letters, len(letters)):
                await self._settle_letters([letter])
            await tally.acknowledge_alone(raw)

    async def _settle(self, raws: Sequence[AbstractIncomingMessage]) -> None:
        await self._settle_letters([letter for raw in raws for letter in await self._opened(raw)])

    async def _settle_letters(self, letters: Sequence[Letter]) -> None:
        received = []
        for letter in letters:
            try:
                envelope = unwrap(letter.body, letter.headers)
            except Undecodable as poison:
                await self._bury(letter, str(poison))
                continue
            sender = letter.headers.get(SENDER_HEADER)
            refusal = self._senders.refusal(sender if isinstance(sender, str) else None, type(envelope.message))
            if refusal is None:
                received.append(_Received(letter, envelope))
            else:
                await self._bury(letter, refusal)
        for start in range(0, len(received), BATCH_MAX):
            await self._apply(received[start : start + BATCH_MAX])

    async def _opened(self, raw: AbstractIncomingMessage) -> list[Letter]:
        """The messages of a frame, mostly one; each says who sent the frame first."""
        sender = {SENDER_HEADER: self._senders.of(raw.user_id, raw.headers or {})}
        whole = Letter(raw.body, {**(raw.headers or {}), **sender}, raw.message_id or "")
        try:
            found = opened(whole.body, whole.headers, content_type=raw.content_type, message_id=whole.message_id)
            return [Letter(letter.body, {**letter.headers, **sender}, letter.message_id) for letter in found]
        except Undecodable as poison:
            await self._bury(whole, str(poison))
            return []

    async def _apply(self, received: Sequence[_Received]) -> None:
        """Handles all, halving on failure until the message at fault is alone."""
        try:
            await self._through_outages(received)
        except Exception as error:  # noqa: BLE001 - every fate is decided below, none is swallowed
            if len(received) > 1:
                middle = len(received) // 2
                await self._apply(received[:middle])
                await self._apply(received[middle:])
            else:
                await self._set_aside(received[0], error)

    async def _through_outages(self, received: Sequence[_Received]) -> None:
        pause = OUTAGE_PAUSE_S
        while True:
            try:
                return await self._handle(received)
            except Exception as error:
                if not is_outage(error):
                    raise
                logger.warning("%s: database not usable, trying again in %.1f s: %r", self.queue, pause, error)
                await asyncio.sleep(pause)
                pause = min(OUTAGE_PAUSE_S_MAX, pause * 2)

    async def _handle(self, received: Sequence[_Received]) -> None:
        deliveries = [self._delivery(item.envelope) for item in received]
        try:
            async with self._work.once(self.queue, deliveries) as work:
                if work.fresh:
                    await self._handler(work)
                applied = len(work.fresh)
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
                    words.GENERATION_ID: str(envelope.message.subject),
                    words.MESSAGING_SYSTEM: "rabbitmq",
                    words.MESSAGING_DESTINATION: self.queue,
                    words.MESSAGING_ID: str(envelope.id),
                }
            )
        return Delivery(envelope, span)

    async def _set_aside(self, received: _Received, error: Exception) -> None:
        """One message failed alone: later again, or never."""
        rung = rung_after(received.attempt, error)
        if rung is None:
            await self._bury(received.letter, f"{type(error).__name__}: {error}")
            return
        logger.warning("%s: again in %s s: %r", self.queue, topology.RETRY_DELAYS_S[rung], error, exc_info=error)
        metrics.CONSUMED.labels(self.queue, "retried").inc()
        headers = {**topology.lasting(received.letter.headers), ATTEMPT_HEADER: received.attempt + 1}
        await self._move(received.letter, headers, topology.retry_exchange(rung))

    async def _bury(self, letter: Letter, reason: str) -> None:
        logger.error("%s: dead letter %s: %s", self.queue, letter.message_id, reason)
        metrics.CONSUMED.labels(self.queue, "dead").inc()
        metrics.DEAD_LETTERS.labels(self.queue).inc()
        # A lone surrogate in an error's text could not be sent, and the message would stop this consumer for ever.
        sendable = reason[:REASON_CHARS_MAX].encode(errors="replace").decode()
        headers = {**topology.lasting(letter.headers), REASON_HEADER: sendable}
        await self._move(letter, headers, topology.DEAD_EXCHANGE)

    async def _move(self, letter: Letter, headers: Mapping[str, object], exchange: str) -> None:
        """Lays the message elsewhere, for certain, before it is acknowledged here."""
        outgoing = Outgoing(letter.body, headers, letter.message_id, self.queue, exchange)
        pause = OUTAGE_PAUSE_S
        while (await self._publisher.publish([outgoing]))[0] is not Outcome.CONFIRMED:
            await asyncio.sleep(pause)
            pause = min(OUTAGE_PAUSE_S_MAX, pause * 2)


def rung_after(attempt: int, error: Exception) -> int | None:
    """The rung of the retry ladder on which a message waits that failed alone; None when it is never tried again."""
    last = len(topology.RETRY_DELAYS_S) - 1
    if isinstance(error, Poison) or (attempt > last and not isinstance(error, Transient)):
        return None
    return min(attempt, last)

"""The session's message handlers and timers: load, decide, save, emit."""

import logging
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from uuid import UUID

from atelier_contracts import (
    CancelRequested,
    DiscardRender,
    GenerationCancelled,
    GenerationDeleted,
    GenerationQueued,
    GenerationRejected,
    GenerationRequested,
    RenderCompleted,
)
from atelier_contracts.message import GenerationMessage
from atelier_messaging import Delivery, Poison, Transaction, UnitOfWork
from atelier_session import discards, saga, store
from atelier_session.generation import (
    DeadlinePassed,
    Generation,
    GracePassed,
    HoldCaptured,
    ResendDue,
    StartPassed,
    State,
    Trigger,
    WindowPassed,
)
from atelier_session.handovers import Deliveries, Handovers
from atelier_session.holds import Hold, Holds, trigger_of_hold
from atelier_session.saga import LostRace
from atelier_session.settings import Settings
from atelier_session.store import LogEntry, Saga
from atelier_telemetry import attributes, metrics
from atelier_telemetry.tracing import Span, exemplar_of, keep_failure, parent_from, traceparent_of, tracer

DUE_MAX = 200
RESEND_S_MAX = 1_800.0
ASK_AFTER_RESENDS = 2
"""How many times a settlement is sent again before billing's hold is read instead."""
ASK_MAX = 20
DOUBLINGS_MAX = 10
FAILURES = (DeadlinePassed, StartPassed, GracePassed, HoldCaptured)
"""Timers that say that something went wrong; their spans are kept whether or not the trace is recorded."""
logger = logging.getLogger(__name__)
_tracer = tracer(__name__)


class Handlers:
    """Binds the waiting times of the settings to the handlers."""

    def __init__(self, settings: Settings, holds: Holds | None = None, handovers: Handovers | None = None) -> None:
        self._grace = timedelta(seconds=settings.session_stop_grace_s)
        self._resend_s = settings.session_resend_s
        self._holds = holds
        self._handovers = handovers

    async def handle_saga(self, tx: Transaction) -> None:
        """Queue ``session.saga``: every message of the batch, in order, on the locked sagas that they name."""
        now, sagas = await self._load(tx)
        log = []
        deleted = [d.message.subject for d in tx.fresh if isinstance(d.message, GenerationDeleted)]
        triggers = [delivery for delivery in tx.fresh if not isinstance(delivery.message, GenerationDeleted)]
        for delivery in sorted(triggers, key=_is_not_request):
            message = delivery.message
            assert isinstance(message, GenerationMessage)
            if (known := sagas.get(message.generation_id)) is None:
                log.append(await _handle_without_saga(tx, delivery))
            else:
                log.append(self._apply(tx, known, message, delivery.span, delivery.envelope.id, now))
        store.save_sagas(tx, sagas, log, now=now)
        discards.note(tx, sagas.values())
        if deleted:
            await tx.flush()
            await store.erase_requests(tx.connection, deleted)

    async def fire_timers(self, unit: UnitOfWork) -> None:
        """Fires the timers that are due. They are rows of the database, so a restart loses none. Where none is due, as
        nearly always at rest, it takes one small statement."""
        if not await store.is_any_due(unit.pool):
            return
        holds, deliveries = await self._ask_peers(unit)
        async with unit.once() as tx:
            now, sagas = await store.lock_due_sagas(tx.connection, rows_max=DUE_MAX)
            log = []
            for known in sagas.values():
                trigger = self._due_trigger(known.generation, holds, deliveries, now)
                metrics.SAGA_TIMERS.labels(known.generation.state).inc()
                of_this = {attributes.GENERATION_ID: str(known.generation.request.generation_id)}
                name, parent = f"timer {trigger.name}", parent_from(known.traceparent)
                with _tracer.start_as_current_span(name, parent, attributes=of_this) as span:
                    cause = (
                        keep_failure(span, name, trigger.name, attributes=of_this)
                        if isinstance(trigger, FAILURES)
                        else span
                    )
                    log.append(self._apply(tx, known, trigger, cause, None, now))
            store.save_sagas(tx, sagas, log, now=now)
            discards.note(tx, sagas.values())

    async def _ask_peers(self, unit: UnitOfWork) -> tuple[dict[UUID, Hold], dict[UUID, Deliveries]]:
        """The holds of generations whose settlement was sent again without an answer: the answer was lost, or one
        database was restored to an older backup. And what the gateway has delivered of those whose delivery window is
        over. Nothing is locked yet."""
        overdue = await store.find_overdue(unit.pool, resends=ASK_AFTER_RESENDS, rows_max=ASK_MAX)
        delivering = [id_ for id_, state in overdue.items() if state is State.DELIVERING]
        unsettled = [id_ for id_ in overdue if id_ not in delivering]
        holds = await self._holds.find(unsettled) if unsettled and self._holds else {}
        return holds, await self._handovers.close_all(delivering) if delivering and self._handovers else {}

    def _due_trigger(
        self,
        generation: Generation,
        holds: Mapping[UUID, Hold],
        deliveries: Mapping[UUID, Deliveries],
        now: datetime,
    ) -> Trigger:
        trigger: Trigger = saga.due_timer(generation, now=now)
        if isinstance(trigger, WindowPassed):
            delivered = deliveries.get(generation.request.generation_id)
            return ResendDue() if delivered is None else WindowPassed(delivered)
        hold = holds.get(generation.request.generation_id)
        if hold is None or not isinstance(trigger, ResendDue):
            return trigger
        trigger = trigger_of_hold(generation, hold)
        if isinstance(trigger, HoldCaptured):
            id_ = generation.request.generation_id
            logger.error("refund of generation %s failed: its hold is captured; an operator must decide", id_)
        return trigger

    async def _load(self, tx: Transaction) -> tuple[datetime, dict[UUID, Saga]]:
        """The time, and the sagas that the batch names: the locked ones, and a new one for each request. With a late
        claim every request is taken as admitted; the writes say whether that was so."""
        requests = {d.message.subject: d for d in tx.fresh if isinstance(d.message, GenerationRequested)}
        admitted = set(requests)
        if requests and not tx.late_claim:
            admitted = await store.admit(tx.connection, list(requests))
        elif requests:
            store.write_admissions(tx, list(requests))
        others = [d.message.subject for d in tx.fresh if d.message.subject not in admitted]
        now, sagas = await store.lock_sagas(await tx.begin(), others) if others else (datetime.now(UTC), {})
        for id_ in admitted:
            request = requests[id_].message
            assert isinstance(request, GenerationRequested)
            sagas[id_] = store.new_saga(request, now=now, traceparent=traceparent_of(requests[id_].span))
        return now, sagas

    def _apply(
        self, tx: Transaction, known: Saga, trigger: Trigger, span: Span, message_id: UUID | None, now: datetime
    ) -> LogEntry:
        before = known.generation
        trigger = saga.trigger_of(before, trigger, now=now)
        outcome = saga.decide(before, trigger, now=now)
        id_ = before.request.generation_id
        if isinstance(outcome, LostRace):
            metrics.LOST_RACES.labels(before.state, trigger.name).inc()
            span.set_attributes({attributes.OUTCOME: "lost race", attributes.STATE_FROM: before.state})
            for message in outcome.sends:
                tx.emit(message, cause=span)
            sent = " ".join(message.name for message in outcome.sends)
            return LogEntry(id_, before.state, trigger.name, message_id, "lost_race", before.state, sent)
        known.generation, known.changed = outcome.generation, True
        known.is_render_unanswered |= discards.is_unanswered(before.state, trigger)
        known.timer_at = self._timer(outcome.generation, now)
        for message in outcome.sends:
            reply_to = before.request.reply_to if isinstance(message, GenerationQueued | GenerationRejected) else None
            tx.emit(message, cause=span, cc=[reply_to] if reply_to else ())
        _observe(known, before.state, span, now)
        sent = " ".join(message.name for message in outcome.sends)
        return LogEntry(id_, before.state, trigger.name, message_id, "transition", known.generation.state, sent)

    def _timer(self, generation: Generation, now: datetime) -> datetime | None:
        timer = saga.TIMERS.get(generation.state)
        if timer is None or timer is GracePassed:
            return now + self._grace if timer else None
        wait_s = min(RESEND_S_MAX, self._resend_s * 2 ** min(generation.resends, DOUBLINGS_MAX))
        again_at = now + timedelta(seconds=wait_s)
        if timer is WindowPassed and generation.delivery is not None and not generation.resends:
            return generation.delivery.deliver_by
        if timer is not DeadlinePassed:
            return again_at
        return min(generation.deadline_at, generation.start_by or again_at, again_at)


def _is_not_request(delivery: Delivery) -> bool:
    """Sort key: a message that overtook its request on the bus, within one batch, is handled after it."""
    return not isinstance(delivery.message, GenerationRequested)


async def _handle_without_saga(tx: Transaction, delivery: Delivery) -> LogEntry:
    """A late request that was withdrawn: its tombstone refuses it, and the gateway gets the rejection. A cancel that
    overtook its request: it writes that tombstone. The render of a lost saga is discarded. Anything else is poison."""
    message = delivery.message
    end: GenerationCancelled | GenerationRejected | DiscardRender | None = None
    if isinstance(message, CancelRequested):
        if await store.withdraw(tx.connection, message.subject) != "withdrawn":
            raise ConnectionAbortedError(
                "another process has admitted its request in the meantime; the batch starts over"
            )
        end = GenerationCancelled(generation_id=message.subject, refunded=0)
    elif isinstance(message, GenerationRequested):
        end = GenerationRejected(generation_id=message.subject, reason="withdrawn", required=0, available=0)
    elif not await store.is_withdrawn(tx.connection, message.subject):
        raise Poison(f"{message.name}: there is no generation {message.subject}")
    elif isinstance(message, RenderCompleted):
        end = DiscardRender(generation_id=message.subject)
    sent = tx.emit(end, cause=delivery).message.name if end else ""
    metrics.LOST_RACES.labels("withdrawn", message.name).inc()
    return LogEntry(message.subject, "withdrawn", message.name, delivery.envelope.id, "lost_race", "withdrawn", sent)


def _observe(known: Saga, before: State, span: Span, now: datetime) -> None:
    state = known.generation.state
    metrics.child(metrics.TRANSITIONS, state).inc()
    span.set_attributes({attributes.STATE_FROM: before, attributes.STATE_TO: state})
    if state in saga.TERMINAL:
        mode = "test" if known.generation.request.owner.is_test else "live"
        metrics.child(metrics.GENERATIONS_ENDED, state, mode).inc()
        seconds = (now - known.created_at).total_seconds()
        metrics.child(metrics.GENERATION_SECONDS, state).observe(seconds, exemplar_of(span))

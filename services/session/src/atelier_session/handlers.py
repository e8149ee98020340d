"""What the session does with what it hears: load, decide, save, emit."""

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
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
from atelier_session import saga, store
from atelier_session.generation import (
    DeadlinePassed,
    Generation,
    GracePassed,
    Heard,
    HoldCaptured,
    ResendDue,
    State,
)
from atelier_session.holds import Hold, Holds, heard_of
from atelier_session.saga import LostRace
from atelier_session.settings import Settings
from atelier_session.store import LogEntry, Saga
from atelier_telemetry import attributes, metrics
from atelier_telemetry.tracing import Span, parent_from, traceparent_of, tracer

DUE_MAX = 200
RESEND_S_MAX = 1_800.0
ASK_AFTER_RESENDS = 2
"""So often a settlement is sent again before billing is asked what became of it."""
ASK_MAX = 20
DOUBLINGS_MAX = 10
logger = logging.getLogger(__name__)
_tracer = tracer(__name__)


class Handlers:
    """Binds the settings (how long to wait for what) to the handlers."""

    def __init__(self, settings: Settings, holds: Holds | None = None) -> None:
        self._grace = timedelta(seconds=settings.session_stop_grace_s)
        self._resend_s = settings.session_resend_s
        self._holds = holds

    async def handle_saga(self, work: Transaction) -> None:
        """Queue ``session.saga``: every message of the batch, in order, on the locked sagas they speak of."""
        now = await store.db_now(work.connection)
        sagas = await self._load(work, now)
        log = []
        deleted = [d.message.subject for d in work.fresh if isinstance(d.message, GenerationDeleted)]
        heard = [delivery for delivery in work.fresh if not isinstance(delivery.message, GenerationDeleted)]
        for delivery in sorted(heard, key=_after_its_request):
            message = delivery.message
            assert isinstance(message, GenerationMessage)
            if (known := sagas.get(message.generation_id)) is None:
                log.append(await _without_saga(work, delivery))
            else:
                log.append(self._hear(work, known, message, delivery.span, delivery.envelope.id, now))
        await store.save_sagas(work.connection, sagas, log)
        if deleted:
            await store.forget_requests(work.connection, deleted)

    async def fire_timers(self, unit: UnitOfWork) -> None:
        """Lets the clocks speak that have run out. They live in the database, so a restart forgets none."""
        holds = await self._ask_billing(unit)
        async with unit.once() as work:
            now = await store.db_now(work.connection)
            sagas = await store.lock_due_sagas(work.connection, rows_max=DUE_MAX)
            log = []
            for known in sagas.values():
                heard = self._fired(known.generation, holds, now)
                metrics.SAGA_TIMERS.labels(known.generation.state).inc()
                with _tracer.start_as_current_span(f"timer {heard.name}", parent_from(known.traceparent)) as span:
                    log.append(self._hear(work, known, heard, span, None, now))
            await store.save_sagas(work.connection, sagas, log)

    async def _ask_billing(self, unit: UnitOfWork) -> dict[UUID, Hold]:
        """The holds of those that stand still although their settlement was sent again: a lost answer, or databases
        of different moments. Asked before anything is locked."""
        if self._holds is None:
            return {}
        ids = await store.unsettled(unit.pool, resends=ASK_AFTER_RESENDS, rows_max=ASK_MAX)
        return await self._holds.find(ids) if ids else {}

    def _fired(self, generation: Generation, holds: Mapping[UUID, Hold], now: datetime) -> Heard:
        heard: Heard = saga.fired(generation, now=now)
        hold = holds.get(generation.request.generation_id)
        if hold is None or not isinstance(heard, ResendDue):
            return heard
        heard = heard_of(generation, hold)
        if isinstance(heard, HoldCaptured):
            id_ = generation.request.generation_id
            logger.error("generation %s is to be refunded and its hold is captured: it needs a person", id_)
        return heard

    async def _load(self, work: Transaction, now: datetime) -> dict[UUID, Saga]:
        requests = {d.message.subject: d for d in work.fresh if isinstance(d.message, GenerationRequested)}
        admitted = await store.admit(work.connection, list(requests)) if requests else set()
        others = [d.message.subject for d in work.fresh if d.message.subject not in admitted]
        sagas = await store.lock_sagas(work.connection, others) if others else {}
        for id_ in admitted:
            request = requests[id_].message
            assert isinstance(request, GenerationRequested)
            sagas[id_] = store.open_saga(request, now=now, traceparent=traceparent_of(requests[id_].span))
        return sagas

    def _hear(
        self, work: Transaction, known: Saga, heard: Heard, span: Span, message_id: UUID | None, now: datetime
    ) -> LogEntry:
        before, heard = known.generation, saga.understood(heard)
        outcome = saga.decide(before, heard)
        id_ = before.request.generation_id
        if isinstance(outcome, LostRace):
            metrics.LOST_RACES.labels(before.state, heard.name).inc()
            span.set_attributes({attributes.OUTCOME: "lost race", attributes.STATE_FROM: before.state})
            for message in outcome.sends:
                work.emit(message, cause=span)
            sent = " ".join(message.name for message in outcome.sends)
            return LogEntry(id_, before.state, heard.name, message_id, "lost_race", before.state, sent)
        known.generation, known.changed = outcome.generation, True
        known.timer_at = self._timer(outcome.generation, now)
        for message in outcome.sends:
            reply_to = before.request.reply_to if isinstance(message, GenerationQueued | GenerationRejected) else None
            work.emit(message, cause=span, cc=[reply_to] if reply_to else ())
        _observe(known, before.state, span, now)
        sent = " ".join(message.name for message in outcome.sends)
        return LogEntry(id_, before.state, heard.name, message_id, "transition", known.generation.state, sent)

    def _timer(self, generation: Generation, now: datetime) -> datetime | None:
        timer = saga.TIMERS.get(generation.state)
        if timer is None or timer is GracePassed:
            return now + self._grace if timer else None
        wait_s = min(RESEND_S_MAX, self._resend_s * 2 ** min(generation.resends, DOUBLINGS_MAX))
        again_at = now + timedelta(seconds=wait_s)
        return min(generation.deadline_at, again_at) if timer is DeadlinePassed else again_at


def _after_its_request(delivery: Delivery) -> bool:
    """Sort key: what has overtaken its request on the bus, but not by more than a batch, is heard after it."""
    return not isinstance(delivery.message, GenerationRequested)


async def _without_saga(work: Transaction, delivery: Delivery) -> LogEntry:
    """A request that was given up, coming late: refused by its tombstone, and whoever still shows it is told. A cancel
    that overtook its request: it leaves that tombstone. Of what was at work when its saga was lost nothing is used.
    Anything else is about nothing."""
    message = delivery.message
    end: GenerationCancelled | GenerationRejected | DiscardRender | None = None
    if isinstance(message, CancelRequested):
        if await store.withdraw(work.connection, message.subject) != "withdrawn":
            raise ConnectionAbortedError("another process has admitted its request meanwhile; the batch starts over")
        end = GenerationCancelled(generation_id=message.subject, refunded=0)
    elif isinstance(message, GenerationRequested):
        end = GenerationRejected(generation_id=message.subject, reason="withdrawn", required=0, available=0)
    elif not await store.is_withdrawn(work.connection, message.subject):
        raise Poison(f"{message.name}: no generation {message.subject} is known")
    elif isinstance(message, RenderCompleted):
        end = DiscardRender(generation_id=message.subject)
    sent = work.emit(end, cause=delivery).message.name if end else ""
    metrics.LOST_RACES.labels("withdrawn", message.name).inc()
    return LogEntry(message.subject, "withdrawn", message.name, delivery.envelope.id, "lost_race", "withdrawn", sent)


def _observe(known: Saga, before: State, span: Span, now: datetime) -> None:
    state = known.generation.state
    metrics.TRANSITIONS.labels(state).inc()
    span.set_attributes({attributes.STATE_FROM: before, attributes.STATE_TO: state})
    if state in saga.TERMINAL:
        metrics.GENERATIONS_ENDED.labels(state).inc()
        metrics.GENERATION_SECONDS.labels(state).observe((now - known.created_at).total_seconds())

"""What the session does with what it hears: load, decide, save, emit."""

from datetime import datetime, timedelta
from uuid import UUID

from atelier_contracts import (
    CancelRequested,
    GenerationCancelled,
    GenerationDeleted,
    GenerationQueued,
    GenerationRejected,
    GenerationRequested,
)
from atelier_contracts.message import GenerationMessage
from atelier_messaging import Delivery, Poison, UnitOfWork, Work
from atelier_session import saga, store
from atelier_session.generation import DeadlinePassed, Generation, GracePassed, Heard, ResendDue, State
from atelier_session.saga import LostRace
from atelier_session.settings import Settings
from atelier_session.store import LogEntry, Saga
from atelier_telemetry import metrics, words
from atelier_telemetry.tracing import Span, parent_from, traceparent_of, tracer

DUE_MAX = 200
_tracer = tracer(__name__)


class Handlers:
    """Binds the settings (how long to wait for what) to the handlers."""

    def __init__(self, settings: Settings) -> None:
        self._grace = timedelta(seconds=settings.session_stop_grace_s)
        self._resend = timedelta(seconds=settings.session_resend_s)

    async def handle_saga(self, work: Work) -> None:
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
        async with unit.once() as work:
            now = await store.db_now(work.connection)
            sagas = await store.lock_due_sagas(work.connection, rows_max=DUE_MAX)
            log = []
            for known in sagas.values():
                heard = saga.TIMERS[known.generation.state]()
                metrics.SAGA_TIMERS.labels(known.generation.state).inc()
                with _tracer.start_as_current_span(f"timer {heard.name}", parent_from(known.traceparent)) as span:
                    log.append(self._hear(work, known, heard, span, None, now))
            await store.save_sagas(work.connection, sagas, log)

    async def _load(self, work: Work, now: datetime) -> dict[UUID, Saga]:
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
        self, work: Work, known: Saga, heard: Heard, span: Span, message_id: UUID | None, now: datetime
    ) -> LogEntry:
        before, heard = known.generation, saga.understood(heard)
        outcome = saga.decide(before, heard)
        id_ = before.request.generation_id
        if isinstance(outcome, LostRace):
            metrics.LOST_RACES.labels(before.state, heard.name).inc()
            span.set_attributes({words.OUTCOME: "lost race", words.STATE_FROM: before.state})
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
        if timer is DeadlinePassed:
            return generation.deadline_at
        waits = {GracePassed: self._grace, ResendDue: self._resend}
        return now + waits[timer] if timer else None


def _after_its_request(delivery: Delivery) -> bool:
    """Sort key: what has overtaken its request on the bus, but not by more than a batch, is heard after it."""
    return not isinstance(delivery.message, GenerationRequested)


async def _without_saga(work: Work, delivery: Delivery) -> LogEntry:
    """A request that was given up, coming late: refused by its tombstone, and whoever still shows it is told. A cancel
    that overtook its request: it leaves that tombstone. Anything else is about nothing."""
    message = delivery.message
    end: GenerationCancelled | GenerationRejected
    if isinstance(message, CancelRequested):
        await store.withdraw(work.connection, message.subject)
        end = GenerationCancelled(generation_id=message.subject, refunded=0)
    elif isinstance(message, GenerationRequested):
        end = GenerationRejected(generation_id=message.subject, reason="withdrawn", required=0, available=0)
    else:
        raise Poison(f"{message.name}: no generation {message.subject} is known")
    sent = work.emit(end, cause=delivery).message.name
    metrics.LOST_RACES.labels("withdrawn", message.name).inc()
    return LogEntry(message.subject, "withdrawn", message.name, delivery.envelope.id, "lost_race", "withdrawn", sent)


def _observe(known: Saga, before: State, span: Span, now: datetime) -> None:
    state = known.generation.state
    metrics.TRANSITIONS.labels(state).inc()
    span.set_attributes({words.STATE_FROM: before, words.STATE_TO: state})
    if state in saga.TERMINAL:
        metrics.GENERATIONS_ENDED.labels(state).inc()
        metrics.GENERATION_SECONDS.labels(state).observe((now - known.created_at).total_seconds())

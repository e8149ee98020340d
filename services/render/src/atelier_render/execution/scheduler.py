"""Who renders what, and when: leases with heartbeats, and turns between tenants.

A claimed job is leased to this process until ``lease_until`` by the database's clock. A beat extends all our leases in
one statement. A lease that runs out makes the job anyone's; the attempt that lost it can no longer end it, because
ending is a compare-and-set on (running, lease owner, attempt). The turns are one statement: ``store.claim_jobs``.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import TypeVar

from opentelemetry import trace

from atelier_contracts import RenderFailed, RenderStarted
from atelier_messaging import Transaction, UnitOfWork, is_outage, wait_event
from atelier_render import store
from atelier_render.eta.estimator import EtaEstimator
from atelier_render.execution.completions import Completions
from atelier_render.execution.worker import Worker
from atelier_render.jobs import ATTEMPTS_MAX, Attempt, Completion, Failure, Job, JobResult, Lane, Phase
from atelier_telemetry import attributes, metrics
from atelier_telemetry.tracing import Span, keep_failure, parent_from, tracer

POLL_S = 1.0
"""Seconds between polls of the queue without a wake-up: for jobs that other processes saved or gave back."""
INSTANT_MAX = 100
FREED_MAX = 500
STOP_S_MAX = 4.0
BEATS_A_LEASE = 3
NS_PER_S = 1_000_000_000
CANCELLED = "cancelled at the client's wish"
LEASE_LOST = "its worker stopped beating"
T = TypeVar("T")
logger = logging.getLogger(__name__)
_tracer = tracer(__name__)


class Scheduler:
    """Claims jobs for one process and keeps their leases until they have ended."""

    def __init__(
        self,
        unit: UnitOfWork,
        worker: Worker,
        completions: Completions,
        eta_estimator: EtaEstimator,
        *,
        owner: str,
        lease_s: float,
        slots: int,
        tenant_slots_max: int = 0,
    ) -> None:
        self._unit = unit
        self._worker = worker
        self._completions = completions
        self._eta_estimator = eta_estimator
        self._owner = owner
        self._lease_s = lease_s
        self._slots = slots
        # Instant jobs are over with the commit that claims them: there is nothing to hold a tenant to.
        self._cap_of: dict[Lane, int] = {"paced": tenant_slots_max, "instant": 0}
        self._attempts: dict[str, Attempt] = {}
        self._wakes: dict[Lane, asyncio.Event] = {"paced": asyncio.Event(), "instant": asyncio.Event()}
        self._turns: dict[Lane, asyncio.Lock] = {"paced": asyncio.Lock(), "instant": asyncio.Lock()}
        self._beat_soon = asyncio.Event()

    def wake(self, lanes: Iterable[Lane]) -> None:
        """There is something to claim."""
        for lane in lanes:
            self._wakes[lane].set()

    def check_cancels_now(self) -> None:
        """A running job was flagged; the next beat comes at once."""
        self._beat_soon.set()

    async def run_lane(self, lane: Lane) -> None:
        """Runs until cancelled: claims and renders, at once when woken, else every ``POLL_S``."""
        take = self._take_paced if lane == "paced" else self._take_instant
        more: bool | None = False
        while True:
            is_due = await wait_event(self._wakes[lane], 0.0 if more else POLL_S) or more
            self._wakes[lane].clear()
            async with self._turns[lane]:
                look = take if is_due else partial(self._take_if_any_waits, lane, take)
                more = await self._skip_when_database_unavailable(look)

    async def renew_leases_forever(self) -> None:
        """Runs until cancelled: renews the leases and stops attempts that lost theirs."""
        while True:
            await wait_event(self._beat_soon, self._lease_s / BEATS_A_LEASE)
            self._beat_soon.clear()
            await self._skip_when_database_unavailable(self._renew_leases)

    async def release_lost_leases(self) -> None:
        """Jobs whose worker stopped beating go back to the queue, or to their end after ``ATTEMPTS_MAX`` attempts."""
        exhausted = f"the render was lost {ATTEMPTS_MAX} times"
        async with self._unit.once() as tx:
            freed = await store.release_lost_jobs(tx.connection, FREED_MAX, cancelled=CANCELLED, exhausted=exhausted)
            for job in freed:
                request = trace.get_current_span(parent_from(job.traceparent))
                of_this = {attributes.GENERATION_ID: str(job.generation_id)}
                lost = keep_failure(request, "lease lost", "lease_lost", LEASE_LOST, attributes=of_this)
                if job.code is not None:
                    event = RenderFailed(generation_id=job.generation_id, code=job.code, reason=job.reason or "")
                    tx.emit(event, cause=lost)
            await store.abandon_submissions(tx.connection)
        if freed:
            logger.warning("leases lost: %d, their jobs are queued again or ended", len(freed))
            metrics.LEASES_LOST.inc(len(freed))
            self.wake(self._wakes)
        for state, depth in (await store.depths(self._unit.pool)).items():
            metrics.RENDER_QUEUE.labels(state).set(depth)
        metrics.OLDEST_WAITING.set(await store.get_oldest_waiting_s(self._unit.pool))

    async def stop(self) -> None:
        """Claims no more, lets endings finish, gives everything else back to the queue. Takes ``STOP_S_MAX`` seconds at
        most; what it could not give back by then is free when its lease runs out."""
        with suppress(TimeoutError):
            async with asyncio.timeout(STOP_S_MAX):
                for turn in self._turns.values():
                    await turn.acquire()  # and never released
                attempts = list(self._attempts.values())
                for attempt in attempts:
                    _stop(attempt, "lost")
                await asyncio.gather(*(a.task for a in attempts if a.task), return_exceptions=True)
                await self._completions.drain()
                given_back = await store.give_back(self._unit.pool, self._owner)
                logger.info("gave %d jobs back", given_back)

    async def _take_if_any_waits(self, lane: Lane, take: Callable[[], Awaitable[bool]]) -> bool:
        """As ``take``, at the cost of one small statement where nothing waits."""
        return await store.is_any_waiting(self._unit.pool, lane) and await take()

    async def _take_paced(self) -> bool:
        """Fills the free slots; answers whether more may wait for slots that are free."""
        free = self._slots - len(self._attempts)
        attempts = await self._claim_paced(free) if free > 0 else []
        for attempt in attempts:
            self._attempts[attempt.job.key] = attempt
            attempt.eta = self._eta_estimator.estimate(attempt.job.spec)
            attempt.task = asyncio.create_task(self._render(attempt), name=f"render {attempt.job.key}")
            attempt.task.add_done_callback(partial(self._on_task_done, attempt))
        return 0 < len(attempts) == free

    async def _take_instant(self) -> bool:
        """Claims, renders and ends a whole batch in one commit: no slot, no task, no timer for any of them, and no
        RenderStarted, for nobody could see them at work."""
        async with self._unit.once() as tx:
            attempts = await self._claim(tx, "instant", INSTANT_MAX)
            finished = [(attempt, self._worker.perform_instant(attempt.job)) for attempt in attempts]
            for attempt, ending in finished:
                _keep_failure(attempt, ending)
            won = await self._completions.end(tx, finished) if finished else ()
        self._completions.record(finished, won)
        for attempt in attempts:
            attempt.span.end()
        return len(attempts) == INSTANT_MAX

    async def _claim_paced(self, limit: int) -> list[Attempt]:
        async with self._unit.once() as tx:
            attempts = await self._claim(tx, "paced", limit)
            for attempt in attempts:
                started = RenderStarted(generation_id=attempt.job.generation_id, attempt=attempt.job.attempt)
                tx.emit(started, cause=attempt.span)
        return attempts

    async def _claim(self, tx: Transaction, lane: Lane, limit: int) -> list[Attempt]:
        attempts = []
        jobs = await store.claim_jobs(
            tx.connection, lane, limit, owner=self._owner, lease_s=self._lease_s, cap=self._cap_of[lane]
        )
        for job in jobs:
            span = _span(job)
            if job.remaining_s > 0:
                attempts.append(Attempt(job, span))
            else:
                attempt, late = Attempt(job, span), Failure(job, None, "provider_timeout", store.LATE)
                _keep_failure(attempt, late)
                tx.emit(late.event(), cause=attempt.span)
                span.end()
        return attempts

    async def _render(self, attempt: Attempt) -> None:
        try:
            with trace.use_span(attempt.span, end_on_exit=True):
                ending = await self._run_attempt(attempt)
                _keep_failure(attempt, ending)
                attempt.phase = "settling"
                if await self._completions.settle(attempt, ending) and isinstance(ending, Completion):
                    self._eta_estimator.record_duration(attempt, ending)
        except Exception:
            # Nobody will end this attempt: without its beat the lease runs out and the job is taken over.
            logger.exception("ending attempt %s failed, the job is taken over when its lease runs out", attempt.job.key)

    def _on_task_done(self, attempt: Attempt, _: object) -> None:
        """However it went, cancelled before its first step included, the slot is free."""
        del self._attempts[attempt.job.key]
        self.wake(["paced"])

    async def _run_attempt(self, attempt: Attempt) -> JobResult:
        try:
            return await self._worker.perform(attempt)
        except asyncio.CancelledError:
            if attempt.phase != "cancelled" or attempt.task is None:
                raise
            attempt.task.uncancel()
            return Failure(attempt.job, None, "cancelled", CANCELLED)

    async def _renew_leases(self) -> None:
        ours = {a.job.generation_id: a for a in self._attempts.values()}
        if not ours:
            return
        beats = await store.extend_leases(self._unit.pool, list(ours), owner=self._owner, lease_s=self._lease_s)
        held = {beat.generation_id: beat for beat in beats}
        for generation_id, attempt in ours.items():
            beat = held.get(generation_id)
            if beat is None or beat.attempt != attempt.job.attempt:
                _stop(attempt, "lost")
            elif beat.cancelled:
                _stop(attempt, "cancelled")

    async def _skip_when_database_unavailable(self, act: Callable[[], Awaitable[T]]) -> T | None:
        try:
            return await act()
        except Exception as error:
            if not is_outage(error):
                raise
            logger.warning("database unavailable, trying again with the next round: %r", error)
            return None


def _stop(attempt: Attempt, phase: Phase) -> None:
    """Stops what still works. What is settling goes on: its compare-and-set decides."""
    if attempt.phase == "working" and attempt.task is not None:
        attempt.phase = phase
        # The word travels to the provider: work that is lost to us alone goes on for whoever takes over.
        attempt.task.cancel(phase)


def _span(job: Job) -> Span:
    return _tracer.start_span(_span_name(job), context=parent_from(job.traceparent), attributes=_span_attributes(job))


def _span_name(job: Job) -> str:
    return f"render {job.spec.kind}"


def _span_attributes(job: Job) -> dict[str, str | int]:
    return {
        attributes.GENERATION_ID: str(job.generation_id),
        attributes.OWNER_KIND: job.owner.kind,
        attributes.OWNER_ID: str(job.owner.id),
        attributes.ATTEMPT: job.attempt,
    }


def _keep_failure(attempt: Attempt, ending: JobResult) -> None:
    """Keeps the span of an attempt that failed, whether or not its trace is recorded; a cancel is no failure."""
    if isinstance(ending, Completion) or ending.state == "cancelled":
        return
    of_this = _span_attributes(attempt.job) | ({attributes.PROVIDER: ending.provider} if ending.provider else {})
    began_ns = time.time_ns() - int((time.monotonic() - attempt.begun) * NS_PER_S)
    attempt.span = keep_failure(
        attempt.span, _span_name(attempt.job), ending.code, ending.reason, attributes=of_this, began_ns=began_ns
    )

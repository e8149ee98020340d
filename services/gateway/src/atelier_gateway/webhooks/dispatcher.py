"""Sends due deliveries: at least once, in every replica, without one receiver delaying another.

Deliveries are leased: if this process dies, or cannot record the outcome of a try, another sends it again under
the same webhook-id when the lease is over. Nothing here is remembered beyond the tries that are under way.
"""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from opentelemetry import trace
from uuid_utils.compat import uuid7

from atelier_gateway.webhooks import dispatch_store
from atelier_gateway.webhooks.dispatch_store import Attempt, DispatchLimits, LeasedDelivery
from atelier_gateway.webhooks.events import TYPES
from atelier_gateway.webhooks.payloads import render_body
from atelier_gateway.webhooks.receiver_urls import host_of
from atelier_gateway.webhooks.retry_policy import RetryDecision, classify_response, next_wait_s, retry_after_s
from atelier_gateway.webhooks.signing import SigningSecrets
from atelier_messaging import Transaction, UnitOfWork
from atelier_storage.errors import FetchFailed
from atelier_storage.objects import ObjectStore
from atelier_storage.safe_poster import PostResponse, SafePoster
from atelier_telemetry import attributes, metrics
from atelier_telemetry.tracing import SpanKind, exemplar_of, keep_failure, parent_from, tracer

POLL_EVERY_S = 1.0
"""What another replica has noted, and what is due again, is seen after this long."""
PAUSE_S_MAX = 30.0
LEASE_MARGIN_S = 20.0
"""Seconds of a lease beyond the longest try: to record its outcome."""
LEAVING_S = 1.0
"""A process that stops lets what is under way arrive for so long; the rest is sent again when its lease is over."""
PER_TARGET = 4
RESPONSE_CHARS_MAX = 1_024
logger = logging.getLogger(__name__)
_spans = tracer(__name__)


@dataclass(frozen=True, slots=True)
class DispatchPolicy:
    """How patiently and how much at once."""

    retry_delays_s: tuple[float, ...]
    """Seconds before each further try."""
    timeout_s: float
    concurrency: int
    patience_days: int
    """An endpoint that has taken nothing for so long is switched off."""


NoteDelivery = Callable[[Transaction, UUID], Awaitable[None]]
"""Called where a receiver has taken the outputs of a generation, in the transaction that records its answer."""


class WebhookDispatcher:
    """Sends what is due, as long as it runs."""

    def __init__(
        self,
        work: UnitOfWork,
        secrets: SigningSecrets,
        objects: ObjectStore,
        poster: SafePoster,
        rules: DispatchPolicy,
        note_delivery: NoteDelivery | None = None,
    ) -> None:
        self._work = work
        self._secrets = secrets
        self._objects = objects
        self._poster = poster
        self._policy = rules
        self._note_delivery = note_delivery
        self._sending: dict[UUID, LeasedDelivery] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._woken = asyncio.Event()
        for outcome in ("delivered", "retried", "failed", "gone"):  # at 0, so that the first is an increase
            metrics.WEBHOOKS.labels(outcome)

    def wake(self) -> None:
        """There is something to send; a hint, it is looked for anyway."""
        self._woken.set()

    async def run(self) -> None:
        """Runs until cancelled. A failure is logged and slows the loop down; nothing is lost by it."""
        pause = POLL_EVERY_S
        try:
            while True:
                try:
                    await self.send_due()
                    pause = POLL_EVERY_S
                except Exception:
                    pause = min(PAUSE_S_MAX, pause * 2)
                    logger.exception("webhooks could not be claimed; again in %.1f s", pause)
                await self._pause(pause)
        finally:
            if self._tasks:
                await asyncio.wait(self._tasks, timeout=LEAVING_S)
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def send_due(self) -> int:
        """Claims what is due and has room, and begins to send it; how much that was."""
        self._woken.clear()
        room = self._policy.concurrency - len(self._sending)
        if room <= 0:
            return 0
        bounds = DispatchLimits(PER_TARGET, max(PER_TARGET, self._policy.concurrency // 4), room)
        lease_s = self._policy.timeout_s + LEASE_MARGIN_S
        claimed = await dispatch_store.lease_deliveries(
            self._work.pool, uuid7(), list(self._sending.values()), bounds, lease_s
        )
        for due in claimed:
            self._sending[due.id] = due
            task = asyncio.create_task(self._send(due))
            self._tasks.add(task)
            task.add_done_callback(self._on_sent)
        return len(claimed)

    async def wait_until_idle(self) -> None:
        """Returns when nothing is under way any more."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    def close(self) -> None:
        """Lets go of what it sends with."""
        self._poster.close()

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        except TimeoutError:
            pass

    def _on_sent(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (failed := task.exception()) is not None:
            logger.error("webhook attempt not recorded, the delivery will be retried: %r", failed)
        else:
            self.wake()  # there is room again

    async def _send(self, due: LeasedDelivery) -> None:
        span_attributes: dict[str, str | int] = {"webhook.id": str(due.id), "webhook.type": due.type}
        span_attributes |= {"server.address": host_of(due.url), attributes.ATTEMPT: due.tries + 1}
        if due.generation_id is not None:
            span_attributes[attributes.GENERATION_ID] = str(due.generation_id)
        parent, began_ns = parent_from(due.traceparent), time.time_ns()
        try:
            with _spans.start_as_current_span("webhook", parent, SpanKind.CLIENT, span_attributes) as span:
                attempt, retry_after = await self._attempt(due)
                outcome = await self._record_outcome(due, attempt, retry_after)
                span.set_attribute(attributes.OUTCOME, outcome)
                if outcome != RetryDecision.DELIVERED:
                    kept = span_attributes | {attributes.OUTCOME: outcome}
                    error_type = str(attempt.status or "unreachable")
                    why, kind = attempt.error or f"status {attempt.status}", SpanKind.CLIENT
                    keep_failure(span, "webhook", error_type, why, kind=kind, attributes=kept, began_ns=began_ns)
        finally:
            self._sending.pop(due.id, None)

    async def _attempt(self, due: LeasedDelivery) -> tuple[Attempt, str | None]:
        """One try, and what it says of Retry-After."""
        now, began = datetime.now(UTC), time.monotonic()
        text = render_body(due.payload, due.owner, self._objects)
        headers = self._secrets.headers(due.secret_ids.valid_at(now), due.id, text, now=now)
        try:
            answer = await self._poster.post(due.url, text.encode(), headers | {"Content-Type": "application/json"})
            why = "" if isinstance(answer, PostResponse) else answer.message
        except FetchFailed as error:
            answer, why = None, str(error)
        took_ms = round((time.monotonic() - began) * 1_000)
        if not isinstance(answer, PostResponse):
            return Attempt(now, took_ms, error=why), None
        said = answer.body.decode("utf-8", "replace").replace("\x00", "\N{REPLACEMENT CHARACTER}")
        return Attempt(now, took_ms, answer.status, response=said[:RESPONSE_CHARS_MAX]), answer.retry_after

    async def _record_outcome(self, due: LeasedDelivery, attempt: Attempt, retry_after: str | None) -> str:
        """Records the outcome of a try; returns it for metrics and spans."""
        verdict = classify_response(attempt.status)
        asked = retry_after_s(attempt.status, retry_after, now=attempt.at)
        wait_s = next_wait_s(self._policy.retry_delays_s, due.tries + 1, asked_s=asked, jitter=random.uniform(-1, 1))
        takes_outputs = verdict is RetryDecision.DELIVERED and _is_handover(due)
        async with self._work.once(dispatch=takes_outputs) as work:
            if takes_outputs and self._note_delivery is not None and due.generation_id is not None:
                await self._note_delivery(work, due.generation_id)
            if verdict is RetryDecision.DELIVERED:
                outcome = "delivered"
                await dispatch_store.record_attempt(work.connection, due, "delivered", attempt)
            elif verdict is RetryDecision.GONE or wait_s is None:
                outcome = "gone" if verdict is RetryDecision.GONE else "failed"
                await dispatch_store.record_attempt(work.connection, due, "failed", attempt)
            else:
                outcome = "retried"
                await dispatch_store.record_attempt(work.connection, due, "pending", attempt, wait_s=wait_s)
            await self._update_endpoint_health(work, due, verdict)
        self._record_metrics(due, attempt, outcome)
        return outcome

    async def _update_endpoint_health(self, work: Transaction, due: LeasedDelivery, verdict: RetryDecision) -> None:
        if due.endpoint_id is None:
            return
        if verdict is RetryDecision.DELIVERED:
            await dispatch_store.record_success(work.connection, due.endpoint_id)
        elif await dispatch_store.record_failure(
            work.connection,
            due.endpoint_id,
            gone=verdict is RetryDecision.GONE,
            patience_days=self._policy.patience_days,
        ):
            logger.warning(
                "webhook endpoint %s failed for too long or is gone, it is disabled: %s", due.endpoint_id, verdict
            )

    def _record_metrics(self, due: LeasedDelivery, attempt: Attempt, outcome: str) -> None:
        metrics.WEBHOOKS.labels(outcome).inc()
        if outcome == "delivered":
            seconds = (attempt.at - due.created_at).total_seconds()
            metrics.WEBHOOK_SECONDS.observe(seconds, exemplar_of(trace.get_current_span()))
            return
        why = attempt.error or f"status {attempt.status}"
        logger.info("webhook %s to %s is %s: %s", due.id, host_of(due.url), outcome, why)


def _is_handover(due: LeasedDelivery) -> bool:
    """Whether it gives the outputs to the URL of the request itself. An endpoint for all of an owner's generations
    may be a log that takes everything: its answer is no delivery."""
    return due.endpoint_id is None and due.type == TYPES["delivering"]

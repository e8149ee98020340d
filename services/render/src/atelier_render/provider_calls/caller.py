"""Calls providers for one job until its outcome is known: which provider, how often, and fail-over.

``retry_policy`` decides what follows which outcome. An unknown one is never followed by another submission: the same
provider is polled for what it did until it answers or time is up.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

from atelier_render.jobs import Attempt
from atelier_render.provider_calls.call_span import trace_call
from atelier_render.provider_calls.concurrency_gate import HeldOpen, ProviderGate
from atelier_render.provider_calls.retry_policy import (
    LOST,
    OUTCOME_WORDS,
    RetryPolicy,
    breaker_signal,
    may_fail_over,
    outcome_label,
    usable_outcome,
)
from atelier_render.provider_calls.submission_log import SubmissionLog
from atelier_render.providers.protocol import Failed, Provider, ProviderJob, ProviderOutcome, Unknown
from atelier_render.usage import UsageMeter
from atelier_resilience.breaker import CircuitOpen
from atelier_telemetry import metrics

SECOND_ATTEMPT = "its render was lost, and the request allows no second try"
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ProviderCall:
    """What one attempt asks for. ``ends_at`` by the loop's clock."""

    attempt: Attempt
    order: ProviderJob
    ends_at: float

    def to(self, provider: str) -> ProviderJob:
        """The order under the key that this provider knows it by: the same for each try and each attempt."""
        return replace(self.order, key=f"{self.order.generation_id}-{provider}", meter=UsageMeter())

    @property
    def remaining_s(self) -> float:
        """Seconds to the deadline."""
        return self.ends_at - asyncio.get_running_loop().time()


class ProviderAnswer(NamedTuple):
    """The outcome of a call, and the provider that reported it."""

    provider: str
    outcome: ProviderOutcome


class ProviderCaller:
    """Calls the providers of one process. ``gates`` has one for each remote provider."""

    def __init__(
        self,
        providers: Sequence[Provider],
        gates: Mapping[str, ProviderGate],
        submissions: SubmissionLog,
        rules: RetryPolicy,
    ) -> None:
        self._providers = {provider.name: provider for provider in providers}
        self._gates = gates
        self._submissions = submissions
        self._rules = rules
        for name in self._providers:  # at 0, so that the first is an increase
            for word in OUTCOME_WORDS:
                metrics.PROVIDER_OUTCOMES.labels(name, word)

    async def ask(self, call: ProviderCall, able: Sequence[Provider]) -> ProviderAnswer:
        """The outcome of the first provider that comes to one; of those who know that they made nothing, the last
        one's. Run it under the job's deadline. Raises LeaseLost."""
        known = await self._find_open(call)
        if known and not (may_fail_over(known.outcome) and call.order.spec.retry):
            return known
        if call.attempt.job.attempt > 1 and not call.order.spec.retry:
            return ProviderAnswer(able[0].name, Failed("provider_failed", SECOND_ATTEMPT))
        answer, before = known, known.provider if known else None
        for provider in sorted(able, key=lambda p: p.name != before):
            if before not in (None, provider.name):
                self._fail_over(call, before or "", provider.name)
            before = provider.name
            first = known.outcome if known and known.provider == before else None
            try:
                answer = ProviderAnswer(before, await self._try_provider(call, provider, first))
            except CircuitOpen as error:
                answer = await self._skip_provider(call, provider, error, answer)
                continue  # it was asked nothing
            if not (may_fail_over(answer.outcome) and call.order.spec.retry):
                return answer
        assert answer is not None, "somebody is able, or there would be no call"
        return answer

    async def _try_provider(
        self, call: ProviderCall, provider: Provider, outcome: ProviderOutcome | None
    ) -> ProviderOutcome:
        """Tries one provider as often as the policy allows. Raises CircuitOpen where it was not called at all."""
        if call.order.owner.is_test and not provider.capabilities.simulates:
            return Failed("provider_unavailable", "a test account's request reached a provider that is not simulated")
        tries = 0 if outcome is None else 1
        while True:
            if outcome is not None:
                chance, remaining_s = random.random(), call.remaining_s
                pause = self._rules.pause_s(outcome, tries=tries, remaining_s=remaining_s, chance=chance)
                if pause is None or not call.order.spec.retry:
                    return outcome
                await asyncio.sleep(pause)
            try:
                outcome = await self._submit(call, provider)
            except CircuitOpen:
                if outcome is None:
                    raise
                return outcome
            tries += 1

    async def _submit(self, call: ProviderCall, provider: Provider) -> ProviderOutcome:
        gate = self._gates.get(provider.name)
        order = call.to(provider.name)
        if gate is None:
            with trace_call(call.attempt, provider, order) as span:
                outcome = usable_outcome(await provider.submit(order), order.spec.n)
                span.record(outcome)
            return await self._conclude(call, provider, outcome)
        async with gate.enter():
            await self._submissions.begin(call.attempt, provider.name, order.key, order.meter)
            order = self._with_submission(call, order)
            with trace_call(call.attempt, provider, order) as span:
                outcome = usable_outcome(await _call_safely(provider.submit, order), order.spec.n)
                span.record(outcome)
            gate.count(well=breaker_signal(outcome))
        return await self._conclude(call, provider, outcome)

    async def _conclude(self, call: ProviderCall, provider: Provider, outcome: ProviderOutcome) -> ProviderOutcome:
        """Finds out what is not known, and writes down what is."""
        if isinstance(outcome, Unknown):
            metrics.PROVIDER_OUTCOMES.labels(provider.name, LOST).inc()
            outcome = await self._reconcile(call, provider, self._rules.recall_s)
        return await self._record_known(call, provider, outcome)

    async def _record_known(self, call: ProviderCall, provider: Provider, outcome: ProviderOutcome) -> ProviderOutcome:
        word, reason = outcome_label(outcome)
        metrics.PROVIDER_OUTCOMES.labels(provider.name, word).inc()
        if call.attempt.submission and provider.name in self._gates:
            _log(call, logging.INFO, "provider answered", provider=provider.name, outcome=word, reason=reason)
            await self._submissions.record_outcome(call.attempt.submission, outcome)
        return outcome

    async def _reconcile(self, call: ProviderCall, provider: Provider, pause: float) -> ProviderOutcome:
        """Polls for the outcome of a submission with growing pauses. One recall may take as long as the provider is
        at work; not knowing may last ``reconcile_s``."""
        if call.attempt.submission and provider.name in self._gates:
            await self._submissions.record_reconciling(call.attempt.submission)
        if not provider.capabilities.recalls:
            return Unknown()
        _log(call, logging.WARNING, "answer lost, asking the provider for it", provider=provider.name)
        with metrics.RECONCILING.labels(provider.name).track_inprogress():
            return await self._poll_recall(call, provider, pause)

    async def _poll_recall(self, call: ProviderCall, provider: Provider, pause: float) -> ProviderOutcome:
        now, order = asyncio.get_running_loop().time, self._with_submission(call, call.to(provider.name))
        until = now() + self._rules.reconcile_s
        while True:
            await asyncio.sleep(pause)
            outcome = usable_outcome(await _call_safely(provider.recall, order), order.spec.n)
            if not isinstance(outcome, Unknown) or now() >= until:
                return outcome
            pause = min(self._rules.recall_s_max, max(self._rules.recall_s, pause * 2))

    def _with_submission(self, call: ProviderCall, order: ProviderJob) -> ProviderJob:
        """The order with what is known and learnt of its submission; as it is where none is logged."""
        sent = call.attempt.submission
        if sent is None:
            return order
        record = partial(self._submissions.record_accepted, sent)
        return replace(order, meter=sent.meter, accepted=sent.accepted, record_accepted=record)

    async def _find_open(self, call: ProviderCall) -> ProviderAnswer | None:
        """The outcome of a submission whose attempt was lost: it is recalled before anything else is sent."""
        job = call.attempt.job
        if job.spec.simulate or not (self._gates or job.attempt > 1):
            return None
        submission = await self._submissions.find_open(job, lambda name: call.to(name).key)
        if submission is None:
            return None
        call.attempt.submission, provider = submission, self._providers.get(submission.provider)
        if provider is None:  # it is not configured any more, and nobody else can tell
            return ProviderAnswer(submission.provider, Unknown())
        outcome = await self._reconcile(call, provider, 0.0)
        return ProviderAnswer(provider.name, await self._record_known(call, provider, outcome))

    async def _skip_provider(
        self, call: ProviderCall, provider: Provider, away: CircuitOpen, answer: ProviderAnswer | None
    ) -> ProviderAnswer:
        why = "as an operator has ordered" if isinstance(away, HeldOpen) else "after failures in a row"
        reason = f"left alone for another {away.wait_s:.0f} s, {why}"
        await self._submissions.record_skip(call.attempt.job, provider.name, call.to(provider.name).key, reason)
        _log(call, logging.WARNING, "provider skipped, trying the next one", provider=provider.name, reason=reason)
        return answer or ProviderAnswer(provider.name, Failed("provider_unavailable", f"{provider.name} is {reason}"))

    def _fail_over(self, call: ProviderCall, before: str, after: str) -> None:
        metrics.FAILOVERS.labels(before, after).inc()
        call.attempt.span.add_event("fail-over", {"from": before, "to": after})
        _log(call, logging.WARNING, "provider failed, switching to another", provider=after, instead_of=before)


async def _call_safely(act: Callable[[ProviderJob], Awaitable[ProviderOutcome]], order: ProviderJob) -> ProviderOutcome:
    """A remote provider that breaks has lost its answer: its request may have left."""
    try:
        return await act(order)
    except Exception:
        logger.exception("provider call %s failed unexpectedly, treated as a lost answer", order.key)
        return Unknown()


def _log(call: ProviderCall, level: int, message: str, **more: str | None) -> None:
    job = call.attempt.job
    logger.log(level, message, extra={"generation_id": str(job.generation_id), "attempt": job.attempt} | more)

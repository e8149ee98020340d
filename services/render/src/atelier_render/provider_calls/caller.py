"""Asks providers for one job until it is known what became of it: who is asked, how often, who stands in.

What follows which outcome is decided in ``outcomes``. An unknown one is never followed by another submission: the same
provider is asked what it did, until it says so or there is no more time.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from atelier_render.jobs import Attempt
from atelier_render.provider_calls.concurrency_gate import Gate
from atelier_render.provider_calls.retry_policy import Rules, another_may, shows_health, told, verified
from atelier_render.provider_calls.submission_log import Submissions
from atelier_render.providers.protocol import Failed, Outcome, Provider, ProviderJob, Unknown
from atelier_resilience.breaker import CircuitOpen
from atelier_telemetry import attributes, metrics
from atelier_telemetry.tracing import tracer

logger = logging.getLogger(__name__)
_tracer = tracer(__name__)


@dataclass(frozen=True, slots=True)
class Call:
    """What one attempt asks for. ``ends_at`` by the loop's clock."""

    attempt: Attempt
    order: ProviderJob
    ends_at: float

    def to(self, provider: str) -> ProviderJob:
        """The order under the key that this provider knows it by: the same for each try and each attempt."""
        return replace(self.order, key=f"{self.order.generation_id}-{provider}")

    @property
    def left_s(self) -> float:
        """Seconds to the deadline."""
        return self.ends_at - asyncio.get_running_loop().time()


class Answer(NamedTuple):
    """What became of a call, and whose word it is."""

    provider: str
    outcome: Outcome


class Caller:
    """Calls the providers of one process. ``gates`` has one for each remote provider."""

    def __init__(
        self, providers: Sequence[Provider], gates: Mapping[str, Gate], submissions: Submissions, rules: Rules
    ) -> None:
        self._providers = {provider.name: provider for provider in providers}
        self._gates = gates
        self._submissions = submissions
        self._rules = rules

    async def ask(self, call: Call, able: Sequence[Provider]) -> Answer:
        """The outcome of the first provider that comes to one; of those who know that they made nothing, the last
        one's. Run it under the job's deadline. Raises LeaseLost."""
        known = await self._left_open(call)
        if known and not another_may(known.outcome):
            return known
        answer, before = known, known.provider if known else None
        for provider in sorted(able, key=lambda p: p.name != before):
            if before not in (None, provider.name):
                self._fail_over(call, before or "", provider.name)
            before = provider.name
            first = known.outcome if known and known.provider == before else None
            try:
                answer = Answer(before, await self._insist(call, provider, first))
            except CircuitOpen as away:
                answer = await self._passed_over(call, provider, away, answer)
            if not another_may(answer.outcome):
                return answer
        assert answer is not None, "somebody is able, or there would be no call"
        return answer

    async def _insist(self, call: Call, provider: Provider, outcome: Outcome | None) -> Outcome:
        """Tries one provider as often as the rules let it. Raises CircuitOpen where it was not asked at all."""
        tries = 0 if outcome is None else 1
        while True:
            if outcome is not None:
                chance, left_s = random.random(), call.left_s
                pause = self._rules.pause_s(outcome, tries=tries, left_s=left_s, chance=chance)
                if pause is None:
                    return outcome
                await asyncio.sleep(pause)
            try:
                outcome = await self._submitted(call, provider)
            except CircuitOpen:
                if outcome is None:
                    raise
                return outcome
            tries += 1

    async def _submitted(self, call: Call, provider: Provider) -> Outcome:
        gate = self._gates.get(provider.name)
        order = call.to(provider.name)
        if gate is None:
            return await self._concluded(call, provider, verified(await provider.submit(order), order.spec.n))
        async with gate.entered():
            await self._submissions.begin(call.attempt, provider.name, order.key)
            with _tracer.start_as_current_span(f"submit to {provider.name}") as span:
                outcome = verified(await _heard(provider.submit, order), order.spec.n)
                span.set_attribute(attributes.OUTCOME, told(outcome)[0])
            gate.count(well=shows_health(outcome))
        return await self._concluded(call, provider, outcome)

    async def _concluded(self, call: Call, provider: Provider, outcome: Outcome) -> Outcome:
        """Finds out what is not known, and writes down what is."""
        if isinstance(outcome, Unknown):
            metrics.PROVIDER_OUTCOMES.labels(provider.name, "lost").inc()
            outcome = await self._reconciled(call, provider, self._rules.recall_s)
        return await self._known(call, provider, outcome)

    async def _known(self, call: Call, provider: Provider, outcome: Outcome) -> Outcome:
        word, reason = told(outcome)
        metrics.PROVIDER_OUTCOMES.labels(provider.name, word).inc()
        if call.attempt.submission and provider.name in self._gates:
            _log(call, logging.INFO, "provider answered", provider=provider.name, outcome=word, reason=reason)
            await self._submissions.concluded(call.attempt.submission, outcome)
        return outcome

    async def _reconciled(self, call: Call, provider: Provider, pause: float) -> Outcome:
        """Asks what became of a submission, less and less often. One recall may take as long as the provider is at
        work; not knowing may last ``reconcile_s``."""
        if call.attempt.submission and provider.name in self._gates:
            await self._submissions.reconciling(call.attempt.submission)
        if not provider.capabilities.recalls:
            return Unknown()
        _log(call, logging.WARNING, "answer lost, asking again", provider=provider.name)
        with metrics.RECONCILING.labels(provider.name).track_inprogress():
            return await self._found_out(call, provider, pause)

    async def _found_out(self, call: Call, provider: Provider, pause: float) -> Outcome:
        now, order = asyncio.get_running_loop().time, call.to(provider.name)
        until = now() + self._rules.reconcile_s
        while True:
            await asyncio.sleep(pause)
            outcome = verified(await _heard(provider.recall, order), order.spec.n)
            if not isinstance(outcome, Unknown) or now() >= until:
                return outcome
            pause = min(self._rules.recall_s_max, max(self._rules.recall_s, pause * 2))

    async def _left_open(self, call: Call) -> Answer | None:
        """What became of a submission whose attempt was lost: it is asked for before anything else is sent."""
        job = call.attempt.job
        if job.spec.simulate or not (self._gates or job.attempt > 1):
            return None
        submission = await self._submissions.left_open(job, lambda name: call.to(name).key)
        if submission is None:
            return None
        call.attempt.submission, provider = submission, self._providers.get(submission.provider)
        if provider is None:  # it is not configured any more, and nobody else can tell
            return Answer(submission.provider, Unknown())
        outcome = await self._reconciled(call, provider, 0.0)
        return Answer(provider.name, await self._known(call, provider, outcome))

    async def _passed_over(self, call: Call, provider: Provider, away: CircuitOpen, answer: Answer | None) -> Answer:
        reason = f"left alone for another {away.wait_s:.0f} s, after failures in a row"
        await self._submissions.skipped(call.attempt.job, provider.name, call.to(provider.name).key, reason)
        _log(call, logging.WARNING, "provider passed over", provider=provider.name, reason=reason)
        return answer or Answer(provider.name, Failed("provider_unavailable", f"{provider.name} is {reason}"))

    def _fail_over(self, call: Call, before: str, after: str) -> None:
        metrics.FAILOVERS.labels(before, after).inc()
        call.attempt.span.add_event("fail-over", {"from": before, "to": after})
        _log(call, logging.WARNING, "failed over", provider=after, instead_of=before)


async def _heard(act: Callable[[ProviderJob], Awaitable[Outcome]], order: ProviderJob) -> Outcome:
    """A remote provider that breaks has lost its answer: its request may have left."""
    try:
        return await act(order)
    except Exception:
        logger.exception("a call of %s broke", order.key)
        return Unknown()


def _log(call: Call, level: int, message: str, **more: str | None) -> None:
    job = call.attempt.job
    logger.log(level, message, extra={"generation_id": str(job.generation_id), "attempt": job.attempt} | more)

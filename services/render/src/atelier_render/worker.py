"""One attempt at one job, from its inputs to its stored pictures; what comes of it is a value, never an exception."""

import asyncio
import logging
from collections.abc import Sequence
from typing import assert_never

from atelier_contracts import RenderSpec, Simulation
from atelier_render.analysis import Analyst
from atelier_render.artefacts import Artefacts
from atelier_render.inputs import InputRefused, Inputs
from atelier_render.jobs import Attempt, Completion, Ending, Failure, Job
from atelier_render.progress import Progress
from atelier_render.providers.protocol import (
    Failed,
    Input,
    Outcome,
    Partial,
    Provider,
    ProviderJob,
    RateLimited,
    Refused,
    Succeeded,
    Transient,
    Unknown,
)
from atelier_render.providers.registry import candidates, objection
from atelier_render.providers.simulator import Simulator
from atelier_render.reuse import Reuse, fingerprint_of
from atelier_render.spool import Made
from atelier_telemetry import metrics, words

RECALL_EVERY_S = 0.5
logger = logging.getLogger(__name__)


class Worker:
    """Performs attempts with the provider each of them calls for."""

    def __init__(
        self,
        providers: Sequence[Provider],
        simulator: Simulator | None,
        inputs: Inputs,
        artefacts: Artefacts,
        reuse: Reuse,
        analyst: Analyst,
        progress: Progress,
        *,
        reconcile_s: float,
    ) -> None:
        self._providers = providers
        self._simulator = simulator
        self._inputs = inputs
        self._artefacts = artefacts
        self._reuse = reuse
        self._analyst = analyst
        self._progress = progress
        self._reconcile_s = reconcile_s

    async def perform(self, attempt: Attempt) -> Ending:
        """Ends by the job's deadline at the latest. A cancelled call stops the provider's work too."""
        job, provider = attempt.job, self._provider_for(attempt.job.spec)
        if provider is None:
            return Failure(job, None, "invalid_input", objection(self._providers, job.spec))
        attempt.span.set_attribute(words.PROVIDER, provider.name)
        try:
            with metrics.RENDER_SECONDS.labels(provider.name).time():
                async with asyncio.timeout(job.left_s):
                    return await self._perform(attempt, provider)
        except asyncio.CancelledError:
            await self._artefacts.take_back(attempt)
            raise
        except TimeoutError:
            return Failure(job, provider.name, "provider_timeout", "the deadline passed during the render")
        except Exception as error:
            logger.exception("attempt %s broke", job.key)
            return Failure(job, provider.name, "provider_failed", f"the render broke: {type(error).__name__}")

    def perform_at_once(self, job: Job) -> Ending:
        """An instant job: nothing to wait for, nothing to draw."""
        assert self._simulator is not None, "only the simulator's jobs are instant"
        outcome = self._simulator.decide(_as_asked(job), job.spec.simulate or Simulation())
        return _ending(job, self._simulator.name, outcome)

    def _provider_for(self, spec: RenderSpec) -> Provider | None:
        if self._simulator and spec.simulate:
            return self._simulator
        return next(iter(candidates(self._providers, spec)), None)

    async def _perform(self, attempt: Attempt, provider: Provider) -> Ending:
        job = attempt.job
        made = await self._artefacts.left_by_an_earlier_attempt(job)
        if made is None:
            inputs = await self._given(job, provider)
            if isinstance(inputs, InputRefused):
                return Failure(job, provider.name, "invalid_input", inputs.reason)
            fingerprint = await fingerprint_of(job.spec, inputs)
            if job.spec.reuse and (earlier := await self._reuse.deliver(attempt, fingerprint)):
                return earlier
            with self._progress.of(attempt) as tell:
                order = ProviderJob(str(job.generation_id), job.generation_id, job.owner, job.spec, inputs, tell)
                outcome = await self._outcome(provider, order)
            if not isinstance(outcome, Succeeded | Partial) or not outcome.pictures:
                return _ending(job, provider.name, outcome)
            outputs, wrong = await self._analyst.judge(outcome.pictures)
            if not outputs:
                return Failure(job, provider.name, "provider_failed", f"what the provider made is unusable: {wrong}")
            made = Made(provider.name, outputs, fingerprint)
        artefacts = await self._artefacts.save(attempt, made)
        return Completion(job, made.provider, len(artefacts), artefacts, made.fingerprint)

    async def _given(self, job: Job, provider: Provider) -> tuple[Input, ...] | InputRefused:
        if not provider.capabilities.reads_inputs:
            return ()
        return await self._inputs.load(job.owner, job.spec.inputs)

    async def _outcome(self, provider: Provider, order: ProviderJob) -> Outcome:
        outcome = await provider.submit(order)
        return await self._reconcile(provider, order) if isinstance(outcome, Unknown) else outcome

    async def _reconcile(self, provider: Provider, order: ProviderJob) -> Outcome:
        """Asks what became of a submission whose answer was lost; submitting again could make it twice."""
        for _ in range(max(1, round(self._reconcile_s / RECALL_EVERY_S))):
            await asyncio.sleep(RECALL_EVERY_S)
            outcome = await provider.recall(order)
            if not isinstance(outcome, Unknown):
                return outcome
        return Unknown()


def _as_asked(job: Job) -> ProviderJob:
    return ProviderJob(str(job.generation_id), job.generation_id, job.owner, job.spec)


def _ending(job: Job, provider: str, outcome: Outcome) -> Ending:
    """How a job ends by an outcome that brought no pictures."""
    match outcome:
        case Succeeded(delivered=delivered) | Partial(delivered=delivered) if delivered > 0:
            return Completion(job, provider, delivered)
        case Succeeded() | Partial():
            return Failure(job, provider, "provider_failed", "the provider made none of the outputs")
        case Refused(reason):
            return Failure(job, provider, "refused", reason)
        case Failed(code, reason):
            return Failure(job, provider, code, reason)
        case Transient(reason):
            return Failure(job, provider, "provider_unavailable", reason)
        case RateLimited(retry_after_s):
            return Failure(job, provider, "provider_unavailable", f"the provider is busy for {retry_after_s:g} s")
        case Unknown():
            return Failure(job, provider, "unknown_outcome", "the provider never said what became of the render")
        case _:
            assert_never(outcome)

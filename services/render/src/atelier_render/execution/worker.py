"""One attempt at one job, from its inputs to its stored pictures; the result is a value, never an exception."""

import asyncio
import logging
from collections.abc import Sequence

from atelier_contracts import Simulation
from atelier_render.execution.input_normaliser import InputNormaliser
from atelier_render.execution.inputs import InputRefused, Inputs
from atelier_render.execution.previews import Previews
from atelier_render.execution.progress import Progress
from atelier_render.jobs import Attempt, Completion, Failure, Job, JobResult, is_simulated
from atelier_render.moderation.moderators import ContentModeration
from atelier_render.outputs.analysis import OutputAnalyser
from atelier_render.outputs.artefact_writer import ArtefactWriter
from atelier_render.outputs.result_cache import ResultCache, fingerprint_of, is_made_by_requested_provider
from atelier_render.outputs.spool import RenderedOutputs
from atelier_render.provenance.marker import Marker, Origin, unmarked
from atelier_render.provider_calls.caller import ProviderCall, ProviderCaller
from atelier_render.provider_calls.job_endings import deadline_failure, job_result
from atelier_render.provider_calls.submission_log import LeaseLost
from atelier_render.providers.protocol import Input, Partial, Provider, ProviderJob, Succeeded
from atelier_render.providers.selection import candidates, objection
from atelier_render.providers.simulator import Simulator
from atelier_telemetry import attributes, metrics
from atelier_telemetry.tracing import exemplar_of

logger = logging.getLogger(__name__)


class Worker:
    """Performs attempts with the providers able to make what each of them calls for."""

    def __init__(
        self,
        providers: Sequence[Provider],
        simulator: Simulator,
        caller: ProviderCaller,
        rules: ContentModeration,
        inputs: Inputs,
        stills: InputNormaliser,
        artefacts: ArtefactWriter,
        reuse: ResultCache,
        analyst: OutputAnalyser,
        progress: Progress,
        previews: Previews,
        marker: Marker | None = None,
        *,
        simulates: bool = True,
    ) -> None:
        """``simulates``: whether the simulator makes what live owners ask of it; a test account's it makes always."""
        self._providers = providers
        self._simulator = simulator
        self._simulates = simulates
        self._caller = caller
        self._rules = rules
        self._inputs = inputs
        self._stills = stills
        self._artefacts = artefacts
        self._reuse = reuse
        self._analyst = analyst
        self._progress = progress
        self._previews = previews
        self._marker = marker

    async def perform(self, attempt: Attempt) -> JobResult:
        """Ends by the job's deadline at the latest. A cancelled call stops the provider's work too."""
        job, able = attempt.job, self._eligible_providers(attempt.job)
        if not able:
            return Failure(job, None, "invalid_input", objection(self._providers, job.spec))
        now = asyncio.get_running_loop().time
        began = now()
        ending = await self._perform_with_deadline(attempt, able, began + job.remaining_s)
        attempt.span.set_attribute(attributes.PROVIDER, ending.provider or able[0].name)
        seconds, exemplar = now() - began, exemplar_of(attempt.span)
        metrics.RENDER_SECONDS.labels(ending.provider or able[0].name).observe(seconds, exemplar)
        return ending

    def perform_instant(self, job: Job) -> JobResult:
        """An instant job: nothing to wait for, nothing to draw."""
        outcome = self._simulator.decide(_provider_job(job), job.spec.simulate or Simulation())
        return job_result(job, self._simulator.name, outcome)

    def _eligible_providers(self, job: Job) -> Sequence[Provider]:
        """The simulator never replaces another provider, and none replaces it. It makes all of a test account's."""
        if is_simulated(job.owner, job.spec, simulator=self._simulates):
            return (self._simulator,)
        return candidates(self._providers, job.spec)

    async def _perform_with_deadline(self, attempt: Attempt, able: Sequence[Provider], ends_at: float) -> JobResult:
        job, first = attempt.job, able[0].name
        try:
            async with asyncio.timeout_at(ends_at):
                return await self._perform(attempt, able, ends_at)
        except asyncio.CancelledError:
            await self._artefacts.discard(attempt)
            raise
        except TimeoutError:
            return deadline_failure(attempt, first)
        except LeaseLost:  # said to nobody: whoever has the lease ends the job
            return Failure(job, first, "provider_failed", "the lease was lost")
        except Exception as error:
            logger.exception("attempt %s failed unexpectedly, the job ends as provider_failed", job.key)
            return Failure(job, first, "provider_failed", f"the render broke: {type(error).__name__}")

    async def _perform(self, attempt: Attempt, able: Sequence[Provider], ends_at: float) -> JobResult:
        job = attempt.job
        made = await self._artefacts.recover_spooled(job)
        if made is None:
            inputs = await self._load_inputs(job, able)
            if isinstance(inputs, InputRefused):
                return Failure(job, able[0].name, "invalid_input", inputs.reason)
            if refusal := await self._rules.reject_reason(job, inputs, ends_at):
                return refusal
            fingerprint = await fingerprint_of(job.spec, inputs)
            if job.spec.reuse and (earlier := await self._reuse.deliver(attempt, fingerprint)):
                return earlier
            with self._progress.of(attempt) as tell:
                async with self._previews.of(job, inputs, able[0].name) as show:
                    order = ProviderJob(
                        str(job.generation_id), job.generation_id, job.owner, job.spec, inputs, tell, show
                    )
                    provider, outcome = await self._caller.ask(ProviderCall(attempt, order, ends_at), able)
            if not isinstance(outcome, Succeeded | Partial) or not outcome.pictures:
                return job_result(job, provider, outcome)
            remaining_s = ends_at - asyncio.get_running_loop().time()
            outputs, wrong = await self._analyst.analyse(outcome.pictures, remaining_s=remaining_s)
            if not outputs:
                return Failure(job, provider, "provider_failed", f"what the provider made is unusable: {wrong}")
            if self._marker is not None:
                outputs = await self._marker.mark(outputs, Origin(provider, outcome.model, job.spec, inputs))
            else:
                outputs = tuple(unmarked(output) for output in outputs)
            kept_under = fingerprint if is_made_by_requested_provider(job.spec, provider) else None
            made = RenderedOutputs(provider, outputs, kept_under, outcome.model)
        artefacts = await self._artefacts.save(attempt, made)
        return Completion(job, made.provider, len(artefacts), artefacts, made.fingerprint, model=made.model)

    async def _load_inputs(self, job: Job, able: Sequence[Provider]) -> tuple[Input, ...] | InputRefused:
        if not any(provider.capabilities.reads_inputs for provider in able):
            return ()
        loaded = await self._inputs.load(job.owner, job.spec.inputs)
        return loaded if isinstance(loaded, InputRefused) else await self._stills.make(loaded)


def _provider_job(job: Job) -> ProviderJob:
    return ProviderJob(str(job.generation_id), job.generation_id, job.owner, job.spec)

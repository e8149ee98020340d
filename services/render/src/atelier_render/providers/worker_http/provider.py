"""The provider that hands jobs to a team's own worker and follows them there: across lost answers, slow models, workers
that forget, and the end of our own process.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import cast

from pydantic import ValidationError

from atelier_contracts import RenderSpec
from atelier_contracts.value_objects import Role
from atelier_messaging import wait_event
from atelier_render.providers.protocol import (
    LOST,
    Capabilities,
    Failed,
    Input,
    Offer,
    ProviderJob,
    ProviderOutcome,
    RateLimited,
    Refused,
    Transient,
    Unknown,
    mode_of,
)
from atelier_render.providers.toolkit.callbacks import CallbackWaiters
from atelier_render.providers.toolkit.image_normaliser import ImageNormaliser
from atelier_render.providers.toolkit.image_size import sides
from atelier_render.providers.worker_http.callbacks import CALLBACKS, Listener
from atelier_render.providers.worker_http.client import (
    RETRY_AFTER_S_DEFAULT,
    Overlong,
    Reply,
    Unanswered,
    Unreached,
    WorkerClient,
)
from atelier_render.providers.worker_http.configuration import WorkerConfiguration
from atelier_render.providers.worker_http.contract import (
    ANSWER,
    REASON_CHARS_MAX,
    Broken,
    Declined,
    Job,
    JobInput,
    Made,
    Problem,
    Underway,
)
from atelier_render.providers.worker_http.outputs import Outputs
from atelier_render.providers.worker_http.signatures import Signer
from atelier_render.usage import Usage

FIRST_POLL_S, POLL_S_MIN, POLL_S_MAX = 0.2, 0.05, 60.0
CANCEL_S_MAX = 2.0
FORGOTTEN = frozenset({404, 410})

WorkerReply = Reply | Unreached | Unanswered | Overlong


class HttpWorker:
    """One configured worker. The same key is made once there, so asking and submitting again are both safe."""

    def __init__(
        self, worker: WorkerConfiguration, finishing: ImageNormaliser, *, callback_url: str | None = None
    ) -> None:
        self.name = worker.name
        self.capabilities = Capabilities(tuple(row.offer() for row in worker.offers), reads_inputs=True, remote=True)
        self.url = worker.url
        self.listener = Listener(Signer(worker.secrets), CallbackWaiters())
        self._worker = worker
        self._callback_url = f"{callback_url.rstrip('/')}{CALLBACKS}/{worker.name}" if callback_url else None
        self._line = WorkerClient(worker)
        self._outputs = Outputs(worker.origin, finishing)

    async def submit(self, job: ProviderJob) -> ProviderOutcome:
        """Posts the job and follows it to its end."""
        if (wrong := self._wrong_with(job.inputs)) is not None:
            return Failed("invalid_input", wrong)
        body = await asyncio.to_thread(self._body, job)
        job.meter.begin(job.spec.model or _first(self._offer_for(job.spec).models))
        async with self._callback_event(job.key) as hint:
            outcome = await self._outcome_of_submission(job, await self._line.ask("submit", job.key, body))
            return await self._follow(job, hint) if outcome is None else outcome

    async def recall(self, job: ProviderJob) -> ProviderOutcome:
        """Asks for the job by its key, and follows it to its end where the worker is still at it."""
        if not job.meter.calls:
            job.meter.begin(job.spec.model or _first(self._offer_for(job.spec).models))
        async with self._callback_event(job.key) as hint:
            reply = await self._line.ask("poll", job.key)
            if isinstance(reply, Unreached | Unanswered):
                return Unknown()
            if isinstance(reply, Reply) and reply.status not in FORGOTTEN | {200, 202}:
                return Unknown()
            outcome = await self._outcome_of_poll(job, reply)
            return await self._follow(job, hint) if outcome is None else outcome

    async def close(self) -> None:
        """Lets go of the connections."""
        await self._line.close()
        self._outputs.close()

    async def _outcome_of_submission(self, job: ProviderJob, reply: WorkerReply) -> ProviderOutcome | None:
        """What the answer to a submission means; None: taken, not ended."""
        match reply:
            case Unreached():
                return Transient(f"{self.name} could not be reached")
            case Unanswered() | Reply(status=502 | 504):
                # 502 and 504 are said by a proxy: whether the worker received the request is open.
                return Unknown()
            case Reply(status=200 | 201 | 202) | Overlong():
                return await self._outcome_of_answer(job, reply)
            case Reply(status=409):
                return None
            case Reply(status=429):
                return RateLimited(RETRY_AFTER_S_DEFAULT if reply.retry_after_s is None else reply.retry_after_s)
            case Reply(status=400 | 413 | 415 | 422):
                return Failed("provider_failed", f"{self.name} does not accept the request: {_reason(reply.body)}")
            case Reply(status=status):
                return Transient(f"{self.name} answered {status}")

    async def _follow(self, job: ProviderJob, hint: asyncio.Event) -> ProviderOutcome:
        try:
            async with asyncio.timeout(self._worker.job_s):
                return await self._end_of(job, hint)
        except TimeoutError:
            reply = await self._line.ask("cancel", job.key)
            if isinstance(reply, Reply) and (reply.status < 300 or reply.status in FORGOTTEN):
                return Failed("provider_timeout", f"{self.name} was not done after {self._worker.job_s:g} s")
            return Unknown()

    async def _end_of(self, job: ProviderJob, hint: asyncio.Event) -> ProviderOutcome:
        """Polls until the job has ended; passes over whatever may only be trouble on the way."""
        pause = min(FIRST_POLL_S, self._worker.poll_s)
        while True:
            await wait_event(hint, pause)
            reply = await self._line.ask("poll", job.key)
            if (outcome := await self._outcome_of_poll(job, reply)) is not None:
                return outcome
            wanted = reply.retry_after_s if isinstance(reply, Reply) else None
            pause = min(2 * pause, self._worker.poll_s) if wanted is None else wanted
            pause = min(max(pause, POLL_S_MIN), POLL_S_MAX)

    async def _outcome_of_poll(self, job: ProviderJob, reply: WorkerReply) -> ProviderOutcome | None:
        """What the answer to a poll means; None: ask again."""
        match reply:
            case Reply(status=200 | 202) | Overlong():
                return await self._outcome_of_answer(job, reply)
            case Reply(status=404 | 410):
                return Transient(f"{self.name} does not know the job")
            case _:
                return None

    async def _outcome_of_answer(self, job: ProviderJob, reply: Reply | Overlong) -> ProviderOutcome | None:
        if isinstance(reply, Overlong):
            return Failed("provider_failed", f"{self.name} answered more than {self._worker.answer_bytes_max} bytes")
        try:
            answer = await asyncio.to_thread(ANSWER.validate_json, reply.body)
        except ValidationError as error:
            return Failed("provider_failed", f"{self.name} broke the contract: {error.errors()[0]['msg']}")
        if not isinstance(answer, Underway):
            _record_usage(job, answer)
        match answer:
            case Underway(progress=progress):
                job.tell(progress)
                return None
            case Made():
                return await self._outputs.outcome(job.spec, self._size(job.spec), answer)
            case Declined(reason=reason):
                return Refused(_readable(reason))
            case Broken(reason=reason, retryable=True):
                return Transient(f"{self.name}: {_readable(reason)}")
            case Broken(reason=reason):
                return Failed("provider_failed", f"{self.name}: {_readable(reason)}")

    @asynccontextmanager
    async def _callback_event(self, key: str) -> AsyncIterator[asyncio.Event]:
        """Gives the event that news of the job sets. A cancelled call cancels the job at the worker, unless another
        process will ask for it."""
        try:
            with self.listener.hints.of(key) as hint:
                yield hint
        except asyncio.CancelledError as error:
            if error.args != (LOST,):
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._line.ask("cancel", key), CANCEL_S_MAX)
            raise

    def _wrong_with(self, inputs: Sequence[Input]) -> str | None:
        if sum(len(given.data) for given in inputs) > self._worker.inputs_bytes_max:
            return f"the inputs together have more than {self._worker.inputs_bytes_max} bytes"
        for place, given in enumerate(inputs, 1):
            if given.role != "text" and sides(given.data) is None:
                return f"input {place} ({given.role}) is not a PNG, JPEG or WebP picture"
        return None

    def _body(self, job: ProviderJob) -> bytes:
        spec, offer = job.spec, self._offer_for(job.spec)
        named = spec.model_dump(include=set(Job.model_fields) - {"inputs"})
        chosen = {
            "key": job.key,
            "mode": mode_of(spec),
            "model": spec.model or _first(offer.models),
            "size": self._size(spec),
            "style": spec.style or _first(offer.styles),
            "quality": spec.quality or _first(offer.qualities),
            # As they are: validating would take the bytes for base64.
            "inputs": tuple(
                JobInput.model_construct(role=cast(Role, given.role), data=given.data) for given in job.inputs
            ),
            "patience_s": self._worker.job_s,
            "callback_url": self._callback_url,
        }
        return Job.model_validate(named | chosen).model_dump_json(exclude_none=True).encode()

    def _size(self, spec: RenderSpec) -> str | None:
        return spec.size or _first(self._offer_for(spec).sizes)

    def _offer_for(self, spec: RenderSpec) -> Offer:
        rows = self.capabilities.offers
        return next((row for row in rows if row.kind == spec.kind and row.objection(spec) is None), Offer(spec.kind))


def _record_usage(job: ProviderJob, answer: Made | Declined | Broken) -> None:
    outputs = len(answer.outputs) if isinstance(answer, Made) else 0
    counts = answer.usage.model_dump() if answer.usage else {}
    job.meter.end(Usage(outputs=outputs, **counts), reported=answer.usage is not None)


def _first(choices: tuple[str, ...]) -> str | None:
    return choices[0] if choices else None


def _reason(body: bytes) -> str:
    """The reason in an answer that refuses a request, where there is one."""
    try:
        return _readable(Problem.model_validate_json(body).reason)
    except ValidationError:
        return "it does not say why"


def _readable(text: str) -> str:
    """A stranger's sentence, bounded and in one line."""
    return " ".join("".join(c if c.isprintable() else " " for c in text[:REASON_CHARS_MAX]).split())

"""Requests that a service queues: submitted once, and followed by its own id of them across the end of our process.

An id is recorded before anything else is done with it. From then on what became of the request can be asked, by this
process or the next one, and it is never submitted again.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

from atelier_render.providers.protocol import (
    LOST,
    Failed,
    Picture,
    ProviderJob,
    ProviderOutcome,
    Refused,
    Succeeded,
    Transient,
    Unknown,
    with_model,
)
from atelier_render.providers.toolkit.api_connection import ApiAnswer, ErrorAnswer, NoAnswer, NotSent
from atelier_render.providers.toolkit.fan_out import combine_outcomes, run_concurrently
from atelier_render.providers.toolkit.http_client import AnswerTooLarge
from atelier_render.providers.toolkit.output_files import OutputFiles
from atelier_render.usage import NOTHING, Usage
from atelier_storage.errors import FetchFailed

FIRST_POLL_S, POLL_S_MAX = 0.2, 2.0
CANCEL_S_MAX = 2.0
FETCH_TRIES, FETCH_PAUSE_S = 3, 1.0
SAID_BY_A_PROXY = frozenset({502, 504})
"""Whether the service received a submission that was answered so is open."""
UNREADABLE = (ValueError, TypeError, KeyError, AttributeError)
"""What SDKs raise where an answer is not of the form they expect."""
UNSEEN = (NotSent, NoAnswer, AnswerTooLarge, *UNREADABLE)


@dataclass(frozen=True, slots=True)
class QueuedRequest:
    """One picture to be requested."""

    model: str
    """As costs and receipts name it."""
    endpoint: str
    """Where the service takes it."""
    arguments: Mapping[str, Any]
    """As JSON, but for the files."""
    key: str
    files: Mapping[str, bytes | tuple[bytes, ...]] = field(default_factory=dict, repr=False)
    """Pictures by the name of their argument, which takes one, or a list."""
    size: str | None = None
    """In which it is delivered; None: as it comes."""


@dataclass(frozen=True, slots=True)
class Running:
    """It has not ended, or cannot be asked just now."""


@dataclass(frozen=True, slots=True)
class Ended:
    """It has ended: with a picture at a URL, or with another outcome."""

    result: str | Refused | Failed | Transient | Unknown
    usage: Usage = NOTHING
    reported: bool = False


class RemoteQueue(Protocol):
    """One service's queue. Its calls raise NotSent, NoAnswer, ErrorAnswer, AnswerTooLarge, or what is in
    ``UNREADABLE``."""

    title: str
    """How a reader knows the service."""

    async def submit(self, request: QueuedRequest) -> str:
        """Queues it; its id."""

    async def look(self, request: QueuedRequest, request_id: str) -> Running | Ended:
        """How far it is."""

    async def cancel(self, request: QueuedRequest, request_id: str) -> None:
        """Stops it, where it can still be stopped."""

    def outcome_of(self, answer: ApiAnswer) -> ProviderOutcome:
        """What it means that a submission was answered so."""

    async def close(self) -> None:
        """Lets the connections go."""


class RequestRunner:
    """Runs the requests of jobs at one service."""

    def __init__(self, queue: RemoteQueue, outputs: OutputFiles) -> None:
        self._queue = queue
        self._outputs = outputs

    async def submit(self, job: ProviderJob, requests: Sequence[QueuedRequest]) -> ProviderOutcome:
        """Submits all of them and follows each to its end."""
        return await self._run(job, requests, range(len(requests)))

    async def recall(self, job: ProviderJob, requests: Sequence[QueuedRequest]) -> ProviderOutcome:
        """Follows those whose ids are known to their ends; what has none may never have arrived, and is not submitted
        again. Unknown where there is no id at all."""
        known = [index for index in range(len(requests)) if str(index) in job.accepted]
        if not job.meter.calls:
            for request in requests:
                job.meter.begin(request.model)
        return await self._run(job, requests, known) if known else Unknown()

    async def close(self) -> None:
        """Lets go of connections and threads."""
        await self._queue.close()
        self._outputs.close()

    async def _run(self, job: ProviderJob, requests: Sequence[QueuedRequest], places: Sequence[int]) -> ProviderOutcome:
        done, under_way = list[int](), dict[str, QueuedRequest]()

        async def one(place: int) -> ProviderOutcome:
            index = places[place]
            outcome = await self._run_one(job, requests[index], str(index), under_way)
            done.append(index)
            job.tell(100 * len(done) // len(places))
            return outcome

        try:
            outcomes = await run_concurrently(len(places), one)
        except asyncio.CancelledError as error:
            # Here, not in the calls: their task group cancels them without the message.
            if error.args != (LOST,):
                await asyncio.gather(*(self._cancel(*each) for each in under_way.items()))
            raise
        return with_model(requests[0].model, combine_outcomes(outcomes, wanted=job.spec.n))

    async def _run_one(
        self, job: ProviderJob, request: QueuedRequest, part: str, under_way: dict[str, QueuedRequest]
    ) -> ProviderOutcome:
        request_id = job.accepted.get(part)
        if request_id is None:
            submitted = await self._submit(job, request)
            if not isinstance(submitted, str):
                return submitted
            request_id = submitted
        under_way[request_id] = request
        if part not in job.accepted:
            await job.record_accepted(part, request_id)
        outcome = await self._follow(job, request, request_id)
        del under_way[request_id]
        return outcome

    async def _cancel(self, request_id: str, request: QueuedRequest) -> None:
        with suppress(TimeoutError, ErrorAnswer, *UNSEEN):
            await asyncio.wait_for(self._queue.cancel(request, request_id), CANCEL_S_MAX)

    async def _submit(self, job: ProviderJob, request: QueuedRequest) -> str | ProviderOutcome:
        job.meter.begin(request.model)
        try:
            return await self._queue.submit(request)
        except NotSent:
            job.meter.end()
            return Transient(f"{self._queue.title} could not be reached")
        except ErrorAnswer as error:
            if error.answer.status in SAID_BY_A_PROXY:
                return Unknown()
            job.meter.end()
            return self._queue.outcome_of(error.answer)
        except UNSEEN:
            # It may have been taken: an answer of success without an id is no proof of the contrary.
            return Unknown()

    async def _follow(self, job: ProviderJob, request: QueuedRequest, request_id: str) -> ProviderOutcome:
        pause = FIRST_POLL_S
        while not isinstance(state := await self._look(request, request_id), Ended):
            await asyncio.sleep(pause)
            pause = min(2 * pause, POLL_S_MAX)
        if request_id not in job.meter.request_ids and not isinstance(state.result, Unknown):
            job.meter.end(state.usage, reported=state.reported, request_id=request_id)
        if isinstance(state.result, str):
            return await self._fetch(job, request, state.result)
        return state.result

    async def _look(self, request: QueuedRequest, request_id: str) -> Running | Ended:
        try:
            return await self._queue.look(request, request_id)
        except ErrorAnswer as error:
            status = error.answer.status
            # Forgotten, or not ours to ask any more: neither says that nothing was made.
            return Running() if status >= 500 or status in (408, 425, 429) else Ended(Unknown())
        except UNSEEN:
            return Running()

    async def _fetch(self, job: ProviderJob, request: QueuedRequest, url: str) -> ProviderOutcome:
        for tries in range(1, FETCH_TRIES + 1):
            try:
                made = await self._outputs.picture(url, job.spec, request.size)
            except FetchFailed:
                await asyncio.sleep(FETCH_PAUSE_S * tries)
                continue
            if isinstance(made, Picture):
                return Succeeded((made,), 1)
            return Failed("provider_failed", f"what {self._queue.title} made is unusable: {made.reason}")
        return Unknown()

"""How one request is served: rejected where it is invalid, replayed where its key is known, else answered by plan.

All providers pass through here; they differ in how they read a request and in how their answers look.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import Response

from atelier_provider_simulator.connections import cut_connection, wait_for_hang_up
from atelier_provider_simulator.plans import (
    NOTHING_MADE,
    Plan,
    PlannedOutcome,
    Plans,
    ProviderName,
    ReceivedRequest,
    UploadedImage,
)

_Answer = asyncio.Future[Response]


class ProviderError(Exception):
    """A request that the real service would answer with an error; the answer is complete."""

    def __init__(self, answer: Response) -> None:
        super().__init__(answer.status_code)
        self.answer = answer


@dataclass(frozen=True)
class ParsedRequest:
    """A valid request: what it requests, and how its outcomes look on the wire."""

    model: str
    item_count: int
    """Pictures or sounds."""
    make: Callable[[PlannedOutcome, int], Response]
    """The answer that brings so many of them; called in a thread, for drawing takes time."""
    decline: Callable[[Plan], Response]
    """The answer to a request for which nothing is made."""
    parameters: dict[str, str] = field(default_factory=dict)
    uploads: tuple[UploadedImage, ...] = ()
    """The pictures that came with it."""
    queues: bool = False
    """The answer only says that it was taken: a plan's delay is spent on the work, which no answer waits for."""


@dataclass
class RequestHandler:
    """Serves requests by plan and keeps their answers by idempotency key."""

    plans: Plans = field(default_factory=Plans)
    _answers: dict[tuple[ProviderName, str], _Answer] = field(default_factory=dict)

    async def serve(
        self, provider: ProviderName, request: Request, read: Callable[[], Awaitable[ParsedRequest]]
    ) -> Response:
        """The whole life of one request."""
        key = request.headers.get("idempotency-key")
        received = ReceivedRequest(provider=provider, path=request.url.path, idempotency_key=key)
        self.plans.log.append(received)
        try:
            parsed = await read()
        except ProviderError as error:
            return error.answer
        received.model = parsed.model
        received.parameters = parsed.parameters
        received.uploads = parsed.uploads
        known = self._answers.get((provider, key)) if key else None
        if known is not None:
            received.outcome = "replayed"
            return await asyncio.shield(known)
        planned = self.plans.next(provider, parsed.item_count)
        received.outcome = planned.plan.outcome
        answer = await self._perform_once(provider, key, planned, parsed, received)
        return await _deliver(request, planned.plan, answer)

    def forget(self) -> None:
        """Plans, log and answers."""
        self.plans.forget()
        self._answers.clear()

    async def _perform_once(
        self,
        provider: ProviderName,
        key: str | None,
        planned: PlannedOutcome,
        parsed: ParsedRequest,
        received: ReceivedRequest,
    ) -> Response:
        if key is None or planned.plan.outcome in NOTHING_MADE:
            return await _perform(planned, parsed, received)
        answer: _Answer = asyncio.get_running_loop().create_future()
        self._answers[provider, key] = answer
        try:
            answer.set_result(await _perform(planned, parsed, received))
        except BaseException:
            answer.cancel()
            del self._answers[provider, key]
            raise
        return answer.result()


async def _perform(planned: PlannedOutcome, parsed: ParsedRequest, received: ReceivedRequest) -> Response:
    if not parsed.queues:
        await asyncio.sleep(planned.plan.delay_ms / 1_000)
    if planned.plan.outcome in NOTHING_MADE:
        return parsed.decline(planned.plan)
    count = parsed.item_count if planned.pictures_left is None else planned.pictures_left
    received.made = count
    return await asyncio.to_thread(parsed.make, planned, count)


async def _deliver(request: Request, plan: Plan, answer: Response) -> Response:
    """The answer, unless the plan is that it gets lost."""
    if plan.outcome == "lost_response":
        await cut_connection(request)
    elif plan.outcome == "late_success":
        await wait_for_hang_up(request)
    return answer

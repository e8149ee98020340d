"""How one request is served: refused where it is wrong, answered from memory where its key is known, else by plan.

Both providers pass through here; they differ in how they read a request and in how their answers look.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import Response

from atelier_provider_simulator.connections import cut, hung_up
from atelier_provider_simulator.plans import NOTHING_MADE, Arrived, Order, Plan, Plans, ProviderName, Upload

_Answer = asyncio.Future[Response]


class Wrong(Exception):
    """A request that the real service would answer with an error; the answer is complete."""

    def __init__(self, answer: Response) -> None:
        super().__init__(answer.status_code)
        self.answer = answer


@dataclass(frozen=True)
class Asked:
    """A request that is understood: what it wants, and how its outcomes look on the wire."""

    model: str
    wanted: int
    """Pictures or sounds."""
    make: Callable[[Order, int], Response]
    """The answer that brings so many of them; called in a thread, for drawing takes time."""
    decline: Callable[[Plan], Response]
    """The answer to a request for which nothing is made."""
    parameters: dict[str, str] = field(default_factory=dict)
    uploads: tuple[Upload, ...] = ()
    """The pictures that came with it."""


@dataclass
class Desk:
    """Where requests arrive, and the answers that are remembered under their keys."""

    plans: Plans = field(default_factory=Plans)
    _answers: dict[tuple[ProviderName, str], _Answer] = field(default_factory=dict)

    async def serve(self, provider: ProviderName, request: Request, read: Callable[[], Awaitable[Asked]]) -> Response:
        """The whole life of one request."""
        key = request.headers.get("idempotency-key")
        arrived = Arrived(provider=provider, path=request.url.path, idempotency_key=key)
        self.plans.log.append(arrived)
        try:
            asked = await read()
        except Wrong as wrong:
            return wrong.answer
        arrived.model = asked.model
        arrived.parameters = asked.parameters
        arrived.uploads = asked.uploads
        known = self._answers.get((provider, key)) if key else None
        if known is not None:
            arrived.outcome = "replayed"
            return await asyncio.shield(known)
        order = self.plans.next(provider, asked.wanted)
        arrived.outcome = order.plan.outcome
        answer = await self._remembered(provider, key, order, asked, arrived)
        return await _delivered(request, order.plan, answer)

    def forget(self) -> None:
        """Plans, log and answers."""
        self.plans.forget()
        self._answers.clear()

    async def _remembered(
        self, provider: ProviderName, key: str | None, order: Order, asked: Asked, arrived: Arrived
    ) -> Response:
        if key is None or order.plan.outcome in NOTHING_MADE:
            return await _performed(order, asked, arrived)
        answer: _Answer = asyncio.get_running_loop().create_future()
        self._answers[provider, key] = answer
        try:
            answer.set_result(await _performed(order, asked, arrived))
        except BaseException:
            answer.cancel()
            del self._answers[provider, key]
            raise
        return answer.result()


async def _performed(order: Order, asked: Asked, arrived: Arrived) -> Response:
    await asyncio.sleep(order.plan.delay_ms / 1_000)
    if order.plan.outcome in NOTHING_MADE:
        return asked.decline(order.plan)
    count = asked.wanted if order.pictures_left is None else order.pictures_left
    arrived.made = count
    return await asyncio.to_thread(asked.make, order, count)


async def _delivered(request: Request, plan: Plan, answer: Response) -> Response:
    """The answer, unless the plan is that it gets lost."""
    if plan.outcome == "lost_response":
        await cut(request)
    elif plan.outcome == "late_success":
        await hung_up(request)
    return answer

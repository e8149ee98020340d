"""One request made by several calls, where a service makes one thing a call: run side by side, answered as one."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from atelier_render.providers.protocol import (
    Failed,
    Partial,
    Picture,
    ProviderOutcome,
    RateLimited,
    Refused,
    Succeeded,
    Transient,
    Unknown,
)

AT_ONCE = 4
"""Calls of one request under way together."""
_WEIGHT = (Unknown, Refused, Failed, RateLimited, Transient)
"""Which outcome stands for several that brought nothing: what is in doubt first, then what is final."""


async def run_concurrently(count: int, call: Callable[[int], Awaitable[ProviderOutcome]]) -> list[ProviderOutcome]:
    """The outcomes in order. Cancelling ends every call."""
    slots = asyncio.Semaphore(AT_ONCE)

    async def one(index: int) -> ProviderOutcome:
        async with slots:
            return await call(index)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(index)) for index in range(count)]
    return [task.result() for task in tasks]


def combine_outcomes(outcomes: Sequence[ProviderOutcome], *, wanted: int) -> ProviderOutcome:
    """All pictures together; without any, the outcome that binds us most."""
    pictures: list[Picture] = []
    for outcome in outcomes:
        if isinstance(outcome, Succeeded | Partial):
            pictures.extend(outcome.pictures)
    if len(pictures) >= wanted:
        return Succeeded(tuple(pictures[:wanted]), wanted)
    if pictures:
        return Partial(tuple(pictures), len(pictures))
    for kind in _WEIGHT:
        for outcome in outcomes:
            if isinstance(outcome, kind):
                return outcome
    return Failed("provider_failed", "the provider made nothing")


def part_key(key: str, index: int, count: int) -> str:
    """The idempotency key of one call of several; of a single one the request's own."""
    return key if count == 1 else f"{key}-{index + 1}of{count}"

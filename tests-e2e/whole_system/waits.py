"""Waits for what other processes do, with a deadline: no test trusts a sleep, and a failure says what was last seen."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

PATIENCE_S = 60.0
POLL_S = 0.05

Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class NotYet:
    """What a look saw instead of what it waits for."""

    seen: object


async def becomes(expected: object, probe: Callable[[], Awaitable[object]], *, within_s: float = PATIENCE_S) -> None:
    """Returns as soon as ``probe`` answers ``expected``. Raises TimeoutError with both it and the last answer."""

    async def compare() -> bool | NotYet:
        seen = await probe()
        return True if seen == expected else NotYet(seen)

    await _wait(compare, f"{probe.__qualname__} to be {expected!r}", within_s)


async def eventually(look: Callable[[], Awaitable[Found | NotYet | None]], *, within_s: float = PATIENCE_S) -> Found:
    """What ``look`` finds, as soon as it finds something. Raises TimeoutError with what it saw last."""
    return await _wait(look, f"{look.__qualname__} to find something", within_s)


async def _wait(look: Callable[[], Awaitable[Found | NotYet | None]], expected: str, within_s: float) -> Found:
    seen: object = None
    try:
        async with asyncio.timeout(within_s):
            while True:
                found = await look()
                if found is not None and not isinstance(found, NotYet):
                    return found
                seen = found.seen if isinstance(found, NotYet) else None
                await asyncio.sleep(POLL_S)
    except TimeoutError:
        raise TimeoutError(f"expected {expected} within {within_s:g} s, last seen {seen!r}") from None

"""Generations in flight while a server is broken: all of them must end in time, and the sums must agree."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

from atelier_local.api_client.api_models import TERMINAL, Balance
from atelier_local.api_client.client import ApiUnreachable, Client, RequestRefused
from whole_system.broker import find_waiting
from whole_system.waits import eventually
from whole_system.world import IMAGES, World

PER_SECOND = 12.0
BREAK_AFTER_S = 1.0
ENDED_S_MAX = 60.0
ORDER = "outcome=succeed, delay_ms=3000"

Act = Callable[[], Awaitable[object]]


async def keep_promises(
    world: World, what: str, break_it: Act, mend: Act, say: Callable[[str], None], *, generations: int
) -> list[str]:
    """Generations at a steady rate; amid them the server is broken, and mended once all have ended or time is up: then
    the queues that hold messages are reported first. Answers what was violated."""
    client = await world.new_store(generations)
    began, refusals = time.monotonic(), [0]
    asking = [asyncio.create_task(_ask(world, client, number, refusals)) for number in range(generations)]
    await asyncio.sleep(BREAK_AFTER_S)
    await break_it()
    broken_at = time.monotonic()
    try:
        _, late = await asyncio.wait(asking, timeout=ENDED_S_MAX)
        took = time.monotonic() - broken_at
        if late:
            for line in await asyncio.to_thread(find_waiting, world.stack):
                say(line)
    finally:
        await mend()
    ended = [await task for task in asking]
    balance = await world.balance(client)
    say(
        f"{what} with {generations} generations in flight: all ended {took:.1f} s after it, "
        f"{time.monotonic() - began:.1f} s in all, {refusals[0]} answers of 503; {balance.captured} captured"
    )
    broken = [f"{what}: {len(late)} generations had not ended after {ENDED_S_MAX:g} s"] if late else []
    verdict = await world.admin.verify_ledger()
    return broken + _sums(what, ended, balance) + [f"{what}: {violation}" for violation in verdict.violations]


async def _ask(world: World, client: Client, number: int, refusals: list[int]) -> str:
    """As an honest client does: asks again after a 503, and looks again after a connection that broke."""
    await asyncio.sleep(number / PER_SECOND)
    id_ = await _admit(client, refusals)

    async def look() -> str | None:
        with suppress(ApiUnreachable, RequestRefused):
            now = await client.read_try_on(id_)
            return now.status if now.status in TERMINAL else None
        return None

    return await eventually(look, within_s=600)


async def _admit(client: Client, refusals: list[int]) -> str:
    while True:
        try:
            return (await client.try_on(IMAGES, simulate=ORDER)).session_id
        except RequestRefused as error:
            if error.status != 503:
                raise
            refusals[0] += 1
            await asyncio.sleep(0.5)


def _sums(what: str, ended: list[str], balance: Balance) -> list[str]:
    completed = ended.count("completed")
    if (balance.captured, balance.held) == (completed, 0) and completed == len(ended):
        return []
    return [f"{what}: {completed} of {len(ended)} completed, {balance.captured} captured, {balance.held} held"]

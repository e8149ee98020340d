"""One of three broker nodes freezes while generations are in flight: all of them must end, and the sums must agree."""

import asyncio
import random
import signal
import time
from collections.abc import Callable
from contextlib import suppress

from atelier_local.api_client.api_models import TERMINAL, Balance
from atelier_local.api_client.client import ApiUnreachable, Client, RequestRefused
from whole_system.waits import eventually
from whole_system.world import IMAGES, World

GENERATIONS = 24
PER_SECOND = 12.0
FREEZE_AFTER_S = 1.0
ENDED_S_MAX = 60.0
ORDER = "outcome=succeed, delay_ms=3000"


async def freeze_each_in_turn(world: World, rng: random.Random, say: Callable[[str], None]) -> list[str]:
    """Each node once, in any order, for it depends on the node what sits on it. Answers what was violated."""
    nodes = list(world.stack.profile.brokers)
    rng.shuffle(nodes)
    return [line for node in nodes for line in await freeze_one(world, node, say)]


async def freeze_one(world: World, node: str, say: Callable[[str], None]) -> list[str]:
    """Generations at a steady rate; amid them the node stops, and goes on once all have ended or time is up."""
    client = await world.new_store(GENERATIONS)
    began, refusals = time.monotonic(), [0]
    asking = [asyncio.create_task(_ask(world, client, number, refusals)) for number in range(GENERATIONS)]
    await asyncio.sleep(FREEZE_AFTER_S)
    await asyncio.to_thread(world.stack.kill, node, signal.SIGSTOP)
    frozen = time.monotonic()
    try:
        _, late = await asyncio.wait(asking, timeout=ENDED_S_MAX)
        took = time.monotonic() - frozen
    finally:
        await asyncio.to_thread(world.stack.kill, node, signal.SIGCONT)
    ended = [await task for task in asking]
    balance = await world.balance(client)
    say(
        f"{node} frozen with {GENERATIONS} generations in flight: all ended {took:.1f} s after it, "
        f"{time.monotonic() - began:.1f} s in all, {refusals[0]} answers of 503; {balance.captured} captured"
    )
    # What was frozen so long has been given up by its neighbours, and must join them anew.
    await asyncio.to_thread(world.stack.stop_part, node)
    await asyncio.to_thread(world.stack.start_part, node)
    broken = [f"{node} frozen: {len(late)} generations had not ended after {ENDED_S_MAX:g} s"] if late else []
    return broken + _sums(node, ended, balance)


async def _ask(world: World, client: Client, number: int, refusals: list[int]) -> str:
    """As an honest client does: asks again after a 503, and looks again after a connection that broke."""
    await asyncio.sleep(number / PER_SECOND)
    id_ = await _admit(client, refusals)

    async def look() -> str | None:
        with suppress(ApiUnreachable):
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


def _sums(node: str, ended: list[str], balance: Balance) -> list[str]:
    completed = ended.count("completed")
    if (balance.captured, balance.held) == (completed, 0) and completed == GENERATIONS:
        return []
    return [f"{node} frozen: {completed} of {GENERATIONS} completed, {balance.captured} captured, {balance.held} held"]

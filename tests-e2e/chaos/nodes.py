"""One of three broker nodes freezes, dies or is cut off from the others while generations are in flight: all of them
must end, and the sums must agree."""

import asyncio
import random
import re
import signal
from collections.abc import Callable

from atelier_local.errors import StackError
from atelier_local.launcher.rabbitmq import links_of
from chaos import in_flight
from whole_system.broker import rabbitmqctl
from whole_system.world import World

GENERATIONS = 50
LED = "session.saga"
"""The queue whose leader is killed."""

Say = Callable[[str], None]


async def freeze_each_in_turn(world: World, rng: random.Random, say: Say) -> list[str]:
    """Each node once, in any order, for it depends on the node what sits on it. Answers what was violated."""
    nodes = list(world.stack.profile.brokers)
    rng.shuffle(nodes)
    return [line for node in nodes for line in await freeze(world, node, say)]


async def freeze(world: World, node: str, say: Say, *, generations: int = GENERATIONS) -> list[str]:
    """The node stops without a word, and goes on once all have ended."""

    async def mend() -> None:
        await asyncio.to_thread(world.stack.kill, node, signal.SIGCONT)
        await _rejoin(world, node)  # what was frozen so long has been given up by its neighbours

    return await in_flight.keep_promises(
        world, f"{node} frozen", lambda: _signal(world, node, signal.SIGSTOP), mend, say, generations=generations
    )


async def kill_leader(world: World, say: Say, *, generations: int = GENERATIONS) -> list[str]:
    """The node that leads the sagas' queue dies, and stays down until all have ended."""
    node = await asyncio.to_thread(_leader, world)

    async def break_it() -> None:
        await asyncio.to_thread(world.stack.stop_part, node, signal.SIGKILL)

    async def mend() -> None:
        await asyncio.to_thread(world.stack.start_part, node)

    return await in_flight.keep_promises(
        world, f"{node}, leader of {LED}, killed", break_it, mend, say, generations=generations
    )


async def isolate(world: World, node: str, say: Say, *, generations: int = GENERATIONS) -> list[str]:
    """The node lives and answers its clients, and hears nothing of the other two. In a profile with links alone."""

    async def mend() -> None:
        await _signal(world, links_of(node), signal.SIGCONT)
        await _rejoin(world, node)

    return await in_flight.keep_promises(
        world, f"{node} isolated", lambda: _signal(world, links_of(node), signal.SIGSTOP), mend, say,
        generations=generations,
    )  # fmt: skip


async def _signal(world: World, part: str, sign: signal.Signals) -> None:
    await asyncio.to_thread(world.stack.kill, part, sign)


async def _rejoin(world: World, node: str) -> None:
    await asyncio.to_thread(world.stack.stop_part, node)
    await asyncio.to_thread(world.stack.start_part, node)


def _leader(world: World) -> str:
    """By the queue's process, which is its leader's: ``<atelier-2@localhost.1701.0>``."""
    table = rabbitmqctl(world.stack, "-q", "list_queues", "name", "pid")
    found = re.search(rf"^{re.escape(LED)}\s+<'?([^@]+)@", table, re.M)
    if found is None:
        raise StackError(f"the broker does not say which node leads {LED}: {table[:200]}")
    return found.group(1).replace("atelier", "rabbitmq")

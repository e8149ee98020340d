"""The primary Postgres dies under load and its synchronous standby takes over: nothing that was confirmed is lost."""

import asyncio
from collections.abc import Callable

from chaos import in_flight
from whole_system.world import World

GENERATIONS = 50


async def run(world: World, say: Callable[[str], None], *, generations: int = GENERATIONS) -> list[str]:
    """Kills the primary, and brings it back as a standby once all have ended. Answers what was violated."""
    names: list[str] = []

    async def break_it() -> None:
        names.append(await asyncio.to_thread(world.stack.fail_over))

    async def mend() -> None:
        old = next(part for part in world.stack.profile.databases if part not in names)
        await asyncio.to_thread(world.stack.start_part, old)

    return await in_flight.keep_promises(world, "primary Postgres killed", break_it, mend, say, generations=generations)

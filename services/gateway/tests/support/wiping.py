"""A broker that is wiped between publish and consume, as seen by one consumer."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from .world import World


@asynccontextmanager
async def wiped(world: World, name: str) -> AsyncIterator[None]:
    """What is sent to this queue within the block is confirmed, and never consumed."""
    neighbours = world.neighbours
    queue, consumer = neighbours.consumed[name]
    await queue.cancel(consumer)
    try:
        yield
        await world.until(lambda: _is_all_sent(world))
        await queue.purge()
    finally:
        neighbours.consumed[name] = queue, await queue.consume(neighbours.hear, no_ack=True)


async def _is_all_sent(world: World) -> bool:
    return not await world.pool.fetchval("SELECT EXISTS (SELECT FROM outbox)")

"""Waiting for an end: this process's projection wakes at once, another replica's is found by polling."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from uuid import UUID, uuid4

import pytest

from atelier_contracts import GenerationCancelled, RenderProgressed
from atelier_gateway.projection.waiter import POLL_EVERY_S, GenerationWaiter

from ...support.world import World

pytestmark = pytest.mark.stack


@pytest.fixture
async def waiter(world: World) -> AsyncIterator[GenerationWaiter]:
    """The waiter of a replica that projects nothing itself: only its poll can find anything."""
    room = GenerationWaiter(world.pool)

    async def poll() -> None:
        while True:
            await asyncio.sleep(POLL_EVERY_S)
            await room.poll()

    polling = asyncio.create_task(poll())
    yield room
    polling.cancel()


async def create_generation(world: World) -> UUID:
    _, headers = await world.store()
    return UUID((await world.create(headers)).json()["data"]["session_id"])


async def has_waiter(room: GenerationWaiter, generation: UUID) -> bool:
    return generation in room._waited_for()


async def blocks_another(world: World, server_pid: int) -> bool:
    """Whether a look-up waits for the transaction of this server process."""
    sql = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE $1 = ANY (pg_blocking_pids(pid)))"
    return bool(await world.pool.fetchval(sql, server_pid))


async def test_an_end_heard_by_another_replica_is_found_by_looking(world: World, waiter: GenerationWaiter) -> None:
    generation = await create_generation(world)
    ending = asyncio.create_task(waiter.wait_until_ended(generation, 10))

    await world.neighbours.say(GenerationCancelled(generation_id=generation, refunded=1))
    snapshot = await ending

    assert snapshot is not None and (snapshot.state, snapshot.credits_refunded) == ("cancelled", 1)


async def test_what_has_ended_already_is_not_waited_for(world: World, waiter: GenerationWaiter) -> None:
    generation = await create_generation(world)
    await world.neighbours.say(GenerationCancelled(generation_id=generation, refunded=1))
    assert await waiter.wait_until_ended(generation, 10)

    assert await waiter.wait_until_ended(generation, 0)


async def test_whoever_waits_in_vain_is_told_in_time_and_forgotten(world: World, waiter: GenerationWaiter) -> None:
    generation = await create_generation(world)
    await world.neighbours.say(RenderProgressed(generation_id=generation, progress=50))

    assert await waiter.wait_until_ended(generation, 0.7) is None
    assert await waiter.wait_until_ended(uuid4(), 0.1) is None
    await waiter.poll()
    assert not waiter._waited_for()


async def test_an_undone_transaction_wakes_without_lying(world: World) -> None:
    """The wake comes from inside the transaction; the answer is what was committed."""
    generation, room = await create_generation(world), GenerationWaiter(world.pool)
    ending = asyncio.create_task(room.wait_until_ended(generation, 1.0))
    await world.until(partial(has_waiter, room, generation))

    with pytest.raises(RuntimeError, match="undone"):
        async with world.pool.acquire() as connection, connection.transaction():
            await connection.execute("UPDATE generations SET state = 'cancelled', rank = 9 WHERE id = $1", generation)
            room.wake([generation])
            await world.until(partial(blocks_another, world, connection.get_server_pid()))
            raise RuntimeError("undone")

    assert await ending is None


async def test_a_committed_end_wakes_at_once(world: World) -> None:
    generation, room = await create_generation(world), GenerationWaiter(world.pool)
    ending = asyncio.create_task(room.wait_until_ended(generation, 10))
    await world.until(partial(has_waiter, room, generation))

    async with world.pool.acquire() as connection, connection.transaction():
        await connection.execute("UPDATE generations SET state = 'cancelled', rank = 9 WHERE id = $1", generation)
        room.wake([generation])
        await world.until(partial(blocks_another, world, connection.get_server_pid()))
        assert not ending.done()

    assert (await ending) is not None  # no poll runs here: it was the wake

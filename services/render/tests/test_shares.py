"""What turns and caps promise, under random lives: to each its share, and to none more than its cap."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from atelier_contracts import Owner, RequestRender
from atelier_render import store
from atelier_render.jobs import Failure, Job, NewJob

pytestmark = pytest.mark.stack
Ask = Callable[..., RequestRender]


async def queue(world: Any, ask: Ask, owner: Owner, count: int) -> None:
    deadline, spec = datetime.now(UTC) + timedelta(minutes=5), ask().spec
    jobs = [NewJob(ask(owner).generation_id, owner, spec, "paced", deadline, None) for _ in range(count)]
    async with world.pool.acquire() as connection, connection.transaction():
        await store.change_queues(connection, jobs, (), "")


async def claim(world: Any, limit: int, cap: int = 0) -> list[Job]:
    async with world.pool.acquire() as connection, connection.transaction():
        return await store.claim_jobs(connection, "paced", limit, owner="me", lease_s=60, cap=cap)


async def end(world: Any, jobs: list[Job]) -> None:
    async with world.pool.acquire() as connection, connection.transaction():
        await store.finish_jobs(connection, "me", [Failure(job, None, "provider_failed", "over") for job in jobs])


@pytest.mark.parametrize("seed", range(3))
async def test_no_backlog_delays_anothers_first_job_by_more_than_its_share(world: Any, ask: Ask, seed: int) -> None:
    """Between a tenant's first request and its first job no other tenant is served more than twice, however many the
    tenants, the jobs and the free slots: once for its own turn, once where the new tenant had just been served."""
    dice, owners = random.Random(seed), [ask().owner for _ in range(12)]
    waiting: Counter[UUID] = Counter()
    served_meanwhile: dict[UUID, Counter[UUID]] = {}
    for _ in range(60):
        owner = dice.choice(owners)
        count = dice.choice((1, 2, 40))
        await queue(world, ask, owner, count)
        if not waiting[owner.id]:
            served_meanwhile[owner.id] = Counter()
        waiting[owner.id] += count

        claimed = Counter(job.owner.id for job in await claim(world, dice.randint(1, 8)))

        waiting.subtract(claimed)
        for newcomer in list(served_meanwhile):
            if claimed[newcomer]:
                del served_meanwhile[newcomer]
            else:
                served_meanwhile[newcomer].update(claimed)
                assert max(served_meanwhile[newcomer].values()) <= 2


async def test_a_cap_leaves_slots_free_for_who_comes_next(world: Any, ask: Ask) -> None:
    busy, newcomer = ask().owner, ask().owner
    await queue(world, ask, busy, 20)

    alone = await claim(world, 8, cap=3)
    await queue(world, ask, newcomer, 20)
    then = await claim(world, 5, cap=3)

    assert [job.owner for job in alone] == [busy] * 3
    assert [job.owner for job in then] == [newcomer] * 3
    await end(world, alone[:1])
    assert [job.owner for job in await claim(world, 8, cap=3)] == [busy]


async def test_being_held_by_a_cap_saves_up_no_turns_for_oneself_nor_for_a_newcomer(world: Any, ask: Ask) -> None:
    held, steady, newcomer = ask().owner, ask().owner, ask().owner
    await queue(world, ask, held, 100)
    stuck = await claim(world, 2, cap=2)
    await queue(world, ask, steady, 100)
    for _ in range(20):
        await end(world, await claim(world, 2, cap=2))

    await queue(world, ask, newcomer, 100)
    await end(world, stuck)
    claimed: Counter[UUID] = Counter()
    for _ in range(10):
        jobs = await claim(world, 3, cap=2)
        claimed.update(job.owner.id for job in jobs)
        await end(world, jobs)

    assert sum(claimed.values()) == 30
    # Whoever is held is moved up to where a claim begins, so it may be one claim behind.
    assert all(abs(claimed[owner.id] - 10) <= 2 for owner in (held, steady, newcomer)), claimed


async def test_no_claimers_at_once_exceed_a_cap(world: Any, ask: Ask) -> None:
    owners = [ask().owner for _ in range(4)]
    for owner in owners:
        await queue(world, ask, owner, 60)
    most = "SELECT max(c) FROM (SELECT count(*) AS c FROM jobs WHERE state = 'running' GROUP BY owner_id) AS running"

    async def tx(dice: random.Random) -> int:
        seen = 0
        for _ in range(12):
            async with world.pool.acquire() as connection, connection.transaction():
                limit = dice.randint(1, 8)
                jobs = await store.claim_jobs(connection, "paced", limit, owner="me", lease_s=60, cap=3)
                seen = max(seen, await connection.fetchval(most) or 0)
            await end(world, jobs)
        return seen

    seen = await asyncio.gather(*(tx(random.Random(seed)) for seed in range(5)))

    assert max(seen) == 3

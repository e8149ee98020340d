"""Turns between tenants: none waits behind another's backlog, and a claim costs the same however long that is."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from atelier_contracts import Owner, RequestRender
from atelier_contracts.value_objects import Priority
from atelier_messaging import testing
from atelier_messaging.testing import becomes, count_waiting
from atelier_render import store
from atelier_render.claim_bench import pages_of_a_claim
from atelier_render.jobs import Job, Lane, NewJob

pytestmark = pytest.mark.stack
Ask = Callable[..., RequestRender]


def jobs_of(owner: Owner, ask: Ask, count: int, lane: Lane = "paced", priority: Priority = "normal") -> list[NewJob]:
    deadline = datetime.now(UTC) + timedelta(minutes=5)
    spec = ask(priority=priority).spec
    return [NewJob(ask(owner).generation_id, owner, spec, lane, deadline, None) for _ in range(count)]


async def queue(world: Any, jobs: Sequence[NewJob]) -> None:
    async with world.pool.acquire() as connection, connection.transaction():
        await store.change_queues(connection, jobs, (), "")


async def claim(world: Any, limit: int, lane: Lane = "paced") -> list[Job]:
    async with world.pool.acquire() as connection, connection.transaction():
        return await store.claim_jobs(connection, lane, limit, owner="me", lease_s=60)


async def test_the_first_job_of_a_tenant_is_in_the_next_claim_whatever_others_have_queued(world: Any, ask: Ask) -> None:
    busy, newcomer = ask().owner, ask().owner
    await queue(world, jobs_of(busy, ask, 10_000))
    await claim(world, 8)

    await queue(world, jobs_of(newcomer, ask, 1))
    claimed = await claim(world, 2)

    assert {job.owner for job in claimed} == {busy, newcomer}


async def test_claims_are_shared_evenly_and_what_one_leaves_goes_to_the_others(world: Any, ask: Ask) -> None:
    many, some, few = ask().owner, ask().owner, ask().owner
    await queue(world, [*jobs_of(many, ask, 50), *jobs_of(some, ask, 50), *jobs_of(few, ask, 2)])

    claimed = Counter(job.owner.id for job in await claim(world, 12))

    assert (claimed[many.id], claimed[some.id], claimed[few.id]) == (5, 5, 2)


async def test_more_tenants_than_slots_are_served_round_after_round(world: Any, ask: Ask) -> None:
    owners = [ask().owner for _ in range(5)]
    await queue(world, [job for owner in owners for job in jobs_of(owner, ask, 10)])

    claimed: Counter[Any] = Counter()
    for _ in range(5):
        claimed.update(job.owner.id for job in await claim(world, 2))

    assert [claimed[owner.id] for owner in owners] == [2] * 5


async def test_idling_saves_up_no_turns(world: Any, ask: Ask) -> None:
    idler, worker = ask().owner, ask().owner
    await queue(world, [*jobs_of(idler, ask, 1), *jobs_of(worker, ask, 100)])
    await claim(world, 41)

    await queue(world, jobs_of(idler, ask, 40))
    claimed = Counter(job.owner.id for job in await claim(world, 20))

    assert abs(claimed[idler.id] - claimed[worker.id]) <= 1


async def test_having_been_served_alone_costs_no_turns_later(world: Any, ask: Ask) -> None:
    early, late = ask().owner, ask().owner
    await queue(world, jobs_of(early, ask, 40))
    await claim(world, 40)

    await queue(world, jobs_of(late, ask, 20))
    await queue(world, jobs_of(early, ask, 20))
    claimed = Counter(job.owner.id for job in await claim(world, 10))

    assert claimed[early.id] == claimed[late.id] == 5


async def test_a_tenants_jobs_go_by_when_they_came_although_their_ids_were_made_by_a_clock_that_was_ahead(
    world: Any, ask: Ask
) -> None:
    jobs = jobs_of(ask().owner, ask, 20)
    await queue(world, jobs[10:])
    await queue(world, jobs[:10])

    claimed = [[job.generation_id for job in await claim(world, 10)] for _ in range(2)]

    assert claimed == [[job.generation_id for job in half] for half in (jobs[10:], jobs[:10])]


async def test_two_claims_at_once_share_no_job_and_leave_none(world: Any, ask: Ask) -> None:
    await queue(world, jobs_of(ask().owner, ask, 10))

    async with world.pool.acquire() as one, one.transaction():
        first = await store.claim_jobs(one, "paced", 5, owner="one", lease_s=60)
        other = asyncio.create_task(claim(world, 5))
        # It has chosen its jobs, and waits for the tenant's counters.
        await becomes(1, lambda: count_waiting(world.pool))
    second = await other

    assert len(first) == len(second) == 5
    assert not {job.generation_id for job in first} & {job.generation_id for job in second}


async def test_lanes_do_not_take_each_others_turns(world: Any, ask: Ask) -> None:
    owner = ask().owner
    await queue(world, [*jobs_of(owner, ask, 3, "paced"), *jobs_of(owner, ask, 2, "instant")])

    paced, instant = await claim(world, 10, "paced"), await claim(world, 10, "instant")

    assert (len(paced), len(instant)) == (3, 2)


async def test_a_tenants_urgent_jobs_go_first_but_take_no_turn_from_another(world: Any, ask: Ask) -> None:
    mine, theirs = ask().owner, ask().owner
    low, normal, high = (jobs_of(mine, ask, 2, priority=word) for word in ("low", "normal", "high"))
    await queue(world, [*low, *normal, *high, *jobs_of(theirs, ask, 6)])

    claimed = [await claim(world, 2) for _ in range(6)]

    assert [job.owner for pair in claimed for job in pair].count(mine) == 6
    assert all({job.owner for job in pair} == {mine, theirs} for pair in claimed)
    order = [job.generation_id for pair in claimed for job in pair if job.owner == mine]
    assert order == [job.generation_id for job in [*high, *normal, *low]]


async def test_what_a_claim_reads_does_not_grow_with_the_backlog(world: Any, postgres: str, database_url: str) -> None:
    await pile_up(world, 1_000)
    await testing.analyze(postgres, database_url)
    small = await pages_read_by_a_claim(world)

    await pile_up(world, 50_000)
    stale = await pages_read_by_a_claim(world)
    await testing.analyze(postgres, database_url)
    large = await pages_read_by_a_claim(world)

    said = f"{small} pages with 1 000 jobs waiting, {stale} with 51 000, {large} when the planner knows"
    assert max(stale, large) <= 3 * small, said


async def pile_up(world: Any, count: int) -> None:
    """So many more jobs of four tenants, as the queue's own statements would have written them."""
    async with world.pool.acquire() as connection, connection.transaction():
        await connection.execute(
            """INSERT INTO jobs (generation_id, state, lane, owner_kind, owner_id, spec, deadline_at)
               SELECT gen_random_uuid(), 'queued', 'paced', 'store', md5((i % 4)::text)::uuid,
                      '{"kind": "image", "prompt": "a red bicycle"}', now() + interval '1 hour'
               FROM generate_series(1, $1::int) AS i""",
            count,
        )
        await connection.execute(
            """INSERT INTO tenant_queues (lane, owner_id, queued)
               SELECT lane, owner_id, count(*) FROM jobs WHERE state = 'queued' GROUP BY lane, owner_id
               ON CONFLICT (lane, owner_id) DO UPDATE SET queued = excluded.queued"""
        )


async def pages_read_by_a_claim(world: Any) -> int:
    async with world.pool.acquire() as connection:
        return await pages_of_a_claim(connection)

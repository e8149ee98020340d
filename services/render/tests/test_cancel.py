"""Cancelling: at every moment of a job's life there is one answer, and one only."""

import asyncio
import random
from collections.abc import Callable
from typing import Any

import pytest

from atelier_contracts import CancelRender, RequestRender, Simulation
from atelier_render import store

pytestmark = pytest.mark.stack
Ask = Callable[..., RequestRender]
Cancel = Callable[[RequestRender], CancelRender]
SLOW = Simulation(delay_ms=20_000)


async def test_a_queued_job_ends_at_once(world: Any, ask: Ask, cancel: Cancel) -> None:
    process, request = world.process(), ask()
    await process.handle(request)

    await process.handle(cancel(request))

    assert (await world.job(request.generation_id))["state"] == "cancelled"
    assert (await world.message_of(request.generation_id, "render_failed"))["code"] == "cancelled"


async def test_a_cancel_before_the_request_refuses_the_late_request(world: Any, ask: Ask, cancel: Cancel) -> None:
    process, request = world.process(), ask()
    process.start()

    await process.handle(cancel(request))
    await process.handle(request)

    assert (await world.job(request.generation_id))["state"] == "cancelled"
    assert await world.events(request.generation_id) == ["render_failed"]


@pytest.mark.parametrize("request_first", [True, False])
async def test_request_and_cancel_in_one_batch_end_cancelled(
    world: Any, ask: Ask, cancel: Cancel, request_first: bool
) -> None:
    process, request = world.process(), ask()
    batch = [request, cancel(request)]

    await process.handle(*(batch if request_first else reversed(batch)))

    assert (await world.job(request.generation_id))["state"] == "cancelled"
    assert await world.events(request.generation_id) == ["render_failed"]


async def test_a_running_job_is_stopped_and_answered_by_its_worker(world: Any, ask: Ask, cancel: Cancel) -> None:
    process, request = world.process(), ask(simulate=SLOW)
    process.start()
    await process.handle(request)
    await world.until(request.generation_id, "running")

    await process.handle(cancel(request))
    row = await world.until(request.generation_id, "cancelled")

    assert row["cancel_requested_at"] is not None
    assert await world.events(request.generation_id) == ["render_started", "render_failed"]
    assert world.objects.objects == {}


async def test_a_cancel_reaches_the_worker_in_another_process_by_its_next_beat(
    world: Any, ask: Ask, cancel: Cancel
) -> None:
    working, hearing, request = world.process(lease_s=6), world.process(), ask(simulate=SLOW)
    working.start()
    await working.handle(request)
    await world.until(request.generation_id, "running")

    await hearing.handle(cancel(request))

    await world.until(request.generation_id, "cancelled")


async def test_a_completion_that_comes_first_wins_over_the_cancel(world: Any, ask: Ask, cancel: Cancel) -> None:
    process, request = world.process(), ask()
    await process.handle(request)
    async with process.unit.once() as tx:
        attempts = await process.scheduler._claim(tx, "instant", 1)

    await process.handle(cancel(request))
    normalise = [(a, process.scheduler._worker.perform_instant(a.job)) for a in attempts]

    assert await process.scheduler._completions.commit(normalise) == [True]
    assert await world.events(request.generation_id) == ["render_completed"]


async def test_cancelling_what_has_ended_has_no_effect(world: Any, ask: Ask, cancel: Cancel) -> None:
    process, request = world.process(), ask()
    process.start()
    await process.handle(request)
    await world.until(request.generation_id, "done")

    await process.handle(cancel(request), cancel(request))

    assert (await world.job(request.generation_id))["state"] == "done"
    assert await world.events(request.generation_id) == ["render_completed"]


async def test_a_cancelled_job_whose_worker_died_is_answered_by_who_takes_it_over(
    world: Any, ask: Ask, cancel: Cancel
) -> None:
    process, request = world.process(), ask(simulate=SLOW)
    await process.handle(request)
    async with world.pool.acquire() as connection:
        await store.claim_jobs(connection, "paced", 1, owner="ghost", lease_s=0.0)

    await process.handle(cancel(request))
    await process.scheduler.release_lost_leases()

    assert (await world.message_of(request.generation_id, "render_failed"))["code"] == "cancelled"
    assert (await world.job(request.generation_id))["state"] == "cancelled"


async def test_the_same_request_twice_makes_one_job(world: Any, ask: Ask) -> None:
    process, request = world.process(), ask()
    process.start()

    await process.handle(request, request)
    await process.handle(request)
    await world.until(request.generation_id, "done")

    assert await world.events(request.generation_id) == ["render_completed"]


async def test_batches_of_requests_and_cancels_do_not_deadlock_with_claims_and_endings(world: Any, ask: Ask) -> None:
    """Tenant counters are locked after jobs, and once, in every transaction; otherwise Postgres ends one in seconds."""
    owners = [ask().owner for _ in range(4)]
    processes = [world.process(), world.process()]
    for process in processes:
        process.start()

    async def talk(process: Any, dice: random.Random) -> None:
        said: list[RequestRender] = []
        for _ in range(60):
            batch = [ask(dice.choice(owners)) for _ in range(6)]
            said += batch
            doomed = {request.generation_id for request in dice.sample(said, 4)}
            await process.handle(*batch, *(CancelRender(generation_id=id_) for id_ in doomed))

    await asyncio.gather(*(talk(process, random.Random(seed)) for seed, process in enumerate([*processes, *processes])))

    left = "SELECT count(*) FROM jobs WHERE state IN ('queued', 'running')"
    async with asyncio.timeout(60):
        while await world.pool.fetchval(left):  # noqa: ASYNC110 - nothing to wait on
            await asyncio.sleep(0.02)

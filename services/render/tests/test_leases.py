"""Leases: a job whose worker dies is taken over and ends once; a process that lost the lease ends nothing."""

from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry.trace import INVALID_SPAN

from atelier_contracts import RequestRender, Simulation
from atelier_render import store
from atelier_render.execution.completions import Finished
from atelier_render.jobs import ATTEMPTS_MAX, Attempt, Completion, Job
from atelier_storage.keys import artefact_key
from atelier_telemetry import metrics

from .support.calls import kill_and_expire_leases

pytestmark = pytest.mark.stack
Ask = Callable[..., RequestRender]
SLOW = Simulation(delay_ms=1_500)


async def test_a_job_whose_worker_dies_is_taken_over_and_finishes_once(world: Any, ask: Ask) -> None:
    dying, heir = world.process(), world.process()
    request = ask(simulate=SLOW)
    await dying.handle(request)
    dying.start()
    await world.until(request.generation_id, "running")

    await kill_and_expire_leases(world, dying)
    heir.start()
    row = await world.until(request.generation_id, "done")

    assert (row["attempt"], row["delivered"]) == (2, 1)
    assert await world.events(request.generation_id) == ["render_started", "render_started", "render_completed"]
    outcomes = [r["outcome"] for r in await world.pool.fetch("SELECT outcome FROM attempts ORDER BY attempt")]
    assert outcomes == ["lease_lost", "done"]


async def test_a_render_longer_than_its_lease_is_kept_by_heartbeats(world: Any, ask: Ask) -> None:
    one, other = world.process(lease_s=4), world.process(lease_s=4)
    request = ask(simulate=Simulation(delay_ms=5_000))
    await one.handle(request)
    one.start()
    other.start()

    row = await world.until(request.generation_id, "done")

    assert row["attempt"] == 1


async def test_a_job_lost_too_often_fails_and_is_refunded(world: Any, ask: Ask) -> None:
    process = world.process()
    request = ask(simulate=SLOW)
    await process.handle(request)

    for _ in range(ATTEMPTS_MAX):
        assert len(await claim(world, "ghost", lease_s=0.0)) == 1
        await process.scheduler.release_lost_leases()

    said = await world.message_of(request.generation_id, "render_failed")
    assert said["code"] == "provider_failed"
    assert await claim(world, "ghost", lease_s=0.0) == []


async def test_a_worker_that_lost_its_lease_cannot_end_the_job(world: Any, ask: Ask) -> None:
    zombie, heir = world.process(), world.process()
    request = ask(simulate=SLOW)
    await zombie.handle(request)
    [lost] = await claim(world, zombie.owner, lease_s=0.0)
    await heir.scheduler.release_lost_leases()
    [held] = await claim(world, heir.owner)
    discarded = metrics.DISCARDED._value.get()

    await settle(zombie, lost)
    assert (await world.job(request.generation_id))["state"] == "running"
    await settle(heir, held)

    assert (await world.job(request.generation_id))["state"] == "done"
    assert await world.events(request.generation_id) == ["render_completed"]
    assert metrics.DISCARDED._value.get() == discarded + 1


async def test_the_same_worker_cannot_end_an_earlier_attempt_of_its_own(world: Any, ask: Ask) -> None:
    process = world.process()
    request = ask(simulate=SLOW)
    await process.handle(request)
    [early] = await claim(world, process.owner, lease_s=0.0)
    await process.scheduler.release_lost_leases()
    await claim(world, process.owner)

    assert await process.scheduler._completions.commit([finish_of(early)]) == [False]


async def test_who_gave_a_job_back_cannot_end_it_under_the_same_number(world: Any, ask: Ask) -> None:
    leaving, heir = world.process(), world.process()
    await leaving.handle(ask(simulate=SLOW))
    [given_back] = await claim(world, leaving.owner)
    await store.give_back(world.pool, leaving.owner)

    [held] = await claim(world, heir.owner)

    assert held.attempt == given_back.attempt
    assert await leaving.scheduler._completions.commit([finish_of(given_back)]) == [False]


async def test_what_a_loser_stored_is_removed_and_what_the_winner_stored_stays(world: Any, ask: Ask) -> None:
    process, heir = world.process(), world.process()
    request = ask(simulate=SLOW)
    await process.handle(request)
    [lost] = await claim(world, process.owner, lease_s=0.0)
    await process.scheduler.release_lost_leases()
    heir.start()
    await world.until(request.generation_id, "done")
    kept = set(world.objects.objects)
    owner = request.owner
    losers = artefact_key(owner.kind, owner.id, request.generation_id, 0, "png", attempt="1-abcdef")
    world.objects.objects[losers] = b""

    attempt = Attempt(lost, INVALID_SPAN, stored=[losers, *kept])
    await process.scheduler._completions.settle(attempt, Completion(lost, "simulator", 1))
    assert set(world.objects.objects) == {losers, *kept}  # a put of the loser's may still be on its way
    await world.pool.execute("UPDATE doomed_objects SET due_at = now()")
    await heir.collector.collect()

    assert set(world.objects.objects) == kept


async def test_two_attempts_at_one_job_never_store_under_the_same_key(world: Any, ask: Ask) -> None:
    process = world.process()
    await process.handle(ask(simulate=SLOW))
    [first] = await claim(world, process.owner)
    await store.give_back(world.pool, process.owner)
    [again] = await claim(world, process.owner)

    folders = {Attempt(job, INVALID_SPAN).folder for job in (first, again)}

    assert first.attempt == again.attempt
    assert len(folders) == 2


async def test_a_graceful_stop_gives_jobs_back_at_once_and_counts_no_attempt(world: Any, ask: Ask) -> None:
    leaving, staying = world.process(), world.process()
    requests = [ask(simulate=SLOW) for _ in range(3)]
    await leaving.handle(*requests)
    leaving.start()
    for request in requests:
        await world.until(request.generation_id, "running")

    await leaving.scheduler.stop()
    rows = [await world.job(request.generation_id) for request in requests]
    staying.start()

    assert [(row["state"], row["attempt"]) for row in rows] == [("queued", 0)] * 3
    assert [(await world.until(r.generation_id, "done"))["attempt"] for r in requests] == [1, 1, 1]


async def test_a_stopped_process_claims_no_more(world: Any, ask: Ask) -> None:
    process, staying = world.process(), world.process()
    process.start()
    await process.scheduler.stop()

    request = ask(simulate=SLOW)
    await process.handle(request)
    assert (await world.job(request.generation_id))["state"] == "queued"
    staying.start()

    assert (await world.until(request.generation_id, "running"))["lease_owner"] == staying.owner


async def test_many_jobs_end_in_one_commit_with_their_events(world: Any, ask: Ask) -> None:
    process = world.process()
    requests = [ask() for _ in range(150)]
    await process.handle(*requests)

    process.start()
    for request in requests:
        await world.until(request.generation_id, "done")

    commits = await world.pool.fetchval("SELECT count(DISTINCT finished_at) FROM jobs")
    assert commits == 2
    assert await world.pool.fetchval("SELECT count(*) FROM outbox WHERE name = 'render.render_completed.v1'") == 150


async def claim(world: Any, owner: str, *, lease_s: float = 60.0) -> list[Job]:
    async with world.pool.acquire() as connection, connection.transaction():
        return await store.claim_jobs(connection, "paced", 10, owner=owner, lease_s=lease_s)


def finish_of(job: Job) -> Finished:
    return Attempt(job, INVALID_SPAN), Completion(job, "simulator", 1)


async def settle(process: Any, job: Job) -> None:
    await process.scheduler._completions.settle(*finish_of(job))

"""A submission whose answer was lost is recalled, after a take-over too, and is never sent twice."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from atelier_render.providers.protocol import (
    Failed,
    ProviderOutcome,
    Transient,
    Unknown,
)
from atelier_telemetry import metrics

from .support.calls import PATIENT_S, PICTURE, Ask, fetch_submissions, kill_and_expire_leases, run_to_end
from .support.provider_script import HERE, OK, Scripted

pytestmark = pytest.mark.stack


@pytest.mark.parametrize(
    ("recalled", "submissions", "outcomes"),
    [
        ((OK,), 1, [(1, "succeeded")]),
        ((Unknown(), OK), 1, [(1, "succeeded")]),
        ((Transient("never heard of it"),), 2, [(1, "transient"), (2, "succeeded")]),
    ],
)
async def test_who_takes_a_job_over_asks_what_became_of_the_submission_before_it_submits(
    world: Any, ask: Ask, recalled: tuple[ProviderOutcome, ...], submissions: int, outcomes: list[tuple[int, str]]
) -> None:
    one = Scripted("one", (OK,), recalls=recalled, hold=asyncio.Event())
    request = ask(**PICTURE)
    dying, heir = world.process(lease_s=PATIENT_S, preferred=(one,)), world.process(lease_s=PATIENT_S, preferred=(one,))
    await dying.handle(request)
    dying.start()
    await asyncio.wait_for(one.asked.wait(), 60)
    await kill_and_expire_leases(world, dying)
    assert await fetch_submissions(world, request) == [(1, "one", "sent", None)]

    one.let_go()
    heir.start()
    row = await world.until(request.generation_id, "done")

    assert (row["attempt"], row["provider"], row["delivered"]) == (2, "one", 1)
    assert (len(one.keys), len(set(one.keys + one.recalled))) == (submissions, 1)
    assert [(line[0], line[3]) for line in await fetch_submissions(world, request)] == outcomes


async def test_who_takes_over_what_failed_lets_the_next_one_stand_in(world: Any, ask: Ask) -> None:
    one = Scripted("one", recalls=(Failed("provider_failed", "melted"),), hold=asyncio.Event())
    two, request = Scripted("two", (OK,)), ask(**PICTURE)
    dying, heir = (
        world.process(lease_s=PATIENT_S, preferred=(one, two)),
        world.process(lease_s=PATIENT_S, preferred=(one, two)),
    )
    await dying.handle(request)
    dying.start()
    await asyncio.wait_for(one.asked.wait(), 60)
    await kill_and_expire_leases(world, dying)

    heir.start()
    row = await world.until(request.generation_id, "done")

    assert (row["provider"], len(one.keys), len(two.keys)) == ("two", 1, 1)


async def test_a_job_that_was_given_back_is_recalled_too(world: Any, ask: Ask) -> None:
    one = Scripted("one", recalls=(OK,), hold=asyncio.Event())
    request = ask(**PICTURE)
    leaving, heir = (
        world.process(lease_s=PATIENT_S, preferred=(one,)),
        world.process(lease_s=PATIENT_S, preferred=(one,)),
    )
    await leaving.handle(request)
    leaving.start()
    await asyncio.wait_for(one.asked.wait(), 60)

    await leaving.scheduler.stop()
    heir.scheduler.wake(["paced"])
    heir.start()
    row = await world.until(request.generation_id, "done")

    assert (row["attempt"], len(one.keys), len(one.recalled)) == (1, 1, 1)


async def test_a_cancelled_job_abandons_what_it_sent(world: Any, ask: Ask, cancel: Callable[..., Any]) -> None:
    one, request = Scripted("one", (OK,), hold=asyncio.Event()), ask(**PICTURE)
    process = world.process(lease_s=PATIENT_S, preferred=(one,))
    await process.handle(request)
    process.start()
    await asyncio.wait_for(one.asked.wait(), 60)

    await process.handle(cancel(request))
    await world.until(request.generation_id, "cancelled")

    assert await fetch_submissions(world, request) == [(1, "one", "ended", "abandoned")]


async def test_what_was_sent_for_a_job_that_ends_between_two_attempts_is_abandoned(
    world: Any, ask: Ask, cancel: Callable[..., Any]
) -> None:
    one, request = Scripted("one", (OK,), hold=asyncio.Event()), ask(**PICTURE)
    dying, heir = world.process(lease_s=PATIENT_S, preferred=(one,)), world.process(lease_s=PATIENT_S, preferred=(one,))
    await dying.handle(request)
    dying.start()
    await asyncio.wait_for(one.asked.wait(), 60)
    await kill_and_expire_leases(world, dying)
    await heir.scheduler.release_lost_leases()

    await heir.handle(cancel(request))
    await heir.scheduler.release_lost_leases()

    assert (await world.job(request.generation_id))["state"] == "cancelled"
    assert await fetch_submissions(world, request) == [(1, "one", "ended", "abandoned")]


async def test_the_deadline_ends_reconciling_as_unknown(world: Any, ask: Ask) -> None:
    one, request = Scripted("one", (Unknown(),)), ask(**PICTURE, deadline_s=0.6)

    row = await run_to_end(world, request, one)

    assert row["code"] == "unknown_outcome"
    assert await fetch_submissions(world, request) == [(1, "one", "ended", "abandoned")]


async def test_a_recall_that_succeeds_after_the_job_has_ended_is_thrown_away_and_counted(world: Any, ask: Ask) -> None:
    one, request = Scripted("one", (OK,), hold=asyncio.Event()), ask(**PICTURE)
    late, heir = world.process(lease_s=PATIENT_S, preferred=(one,)), world.process(lease_s=PATIENT_S, preferred=(one,))
    await late.handle(request)
    late.start()
    await asyncio.wait_for(one.asked.wait(), 60)
    attempt = next(iter(late.scheduler._attempts.values()))
    for task in late.tasks:  # frozen: it neither beats nor learns that its lease is lost
        task.cancel()
    await world.pool.execute("UPDATE jobs SET lease_until = now() - interval '1 s', attempt = 3")
    await heir.scheduler.release_lost_leases()
    assert (await world.job(request.generation_id))["state"] == "failed"
    thrown_away = metrics.DISCARDED._value.get()

    one.let_go()
    await asyncio.wait_for(attempt.task, 60)

    assert metrics.DISCARDED._value.get() == thrown_away + 1
    assert await world.events(request.generation_id) == ["render_started", "render_failed"]
    assert await fetch_submissions(world, request) == [(1, "one", "ended", "abandoned")]


async def test_who_has_lost_the_lease_sends_nothing(world: Any, ask: Ask) -> None:
    one = Scripted("one", (Transient("503"), OK), hold=asyncio.Event())
    request = ask(**PICTURE)
    process = world.process(lease_s=PATIENT_S, preferred=(one,))
    await process.handle(request)
    process.start()
    await asyncio.wait_for(one.asked.wait(), 60)
    attempt = next(iter(process.scheduler._attempts.values()))
    for task in process.tasks:
        task.cancel()
    await world.pool.execute("UPDATE jobs SET lease_owner = 'somebody else'")

    one.let_go()
    await asyncio.wait_for(attempt.task, 60)

    assert len(one.keys) == 1
    assert await world.events(request.generation_id) == ["render_started"]


async def test_what_is_made_here_is_not_written_down(world: Any, ask: Ask) -> None:
    here, request = Scripted("here", (OK,), capabilities=HERE), ask(**PICTURE)

    row = await run_to_end(world, request, Scripted("one", (Failed("provider_failed", "melted"),)), here)

    assert (row["state"], row["provider"], len(here.keys)) == ("done", "here", 1)
    assert await fetch_submissions(world, request) == [(1, "one", "ended", "failed")]

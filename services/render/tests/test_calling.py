"""Providers fail, and the job is done or ended honestly: retries, fail-over, reconciling, and what is written of it."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from prometheus_client import REGISTRY

from atelier_contracts import RequestRender
from atelier_render.providers.protocol import (
    Failed,
    Outcome,
    Partial,
    RateLimited,
    Refused,
    Succeeded,
    Transient,
    Unknown,
)
from atelier_resilience.breaker import FAILURES_MAX
from atelier_telemetry import metrics

from .scripted import FORGETFUL, HERE, OK, Scripted

pytestmark = pytest.mark.stack
Ask = Callable[..., RequestRender]
PATIENT_S = 60.0
"""No lease runs out unless a test says so."""
PICTURE: dict[str, Any] = {"simulate": None, "kind": "image", "prompt": "p", "size": "256x256"}
BUSY = RateLimited(0.0)
BROKEN = Succeeded((OK.pictures[0].__class__(b"not a picture", "image/png", 1, 1),), 1)


async def ended(world: Any, request: RequestRender, *providers: Scripted) -> Any:
    """The job's row, once a process with these providers has ended it."""
    process = world.process(lease_s=PATIENT_S, preferred=providers)
    await process.handle(request)
    process.start()
    return await world.until(request.generation_id, "done", "failed", "cancelled")


async def lost(world: Any, dying: Any) -> None:
    """The process dies as by SIGKILL, and its leases have run out."""
    await dying.kill()
    await world.pool.execute("UPDATE jobs SET lease_until = now() - interval '1 s'")


async def written(world: Any, request: RequestRender) -> list[tuple[object, ...]]:
    """What was written of the submissions: attempt, provider, state and outcome."""
    sql = """SELECT attempt, provider, state, outcome FROM submissions WHERE generation_id = $1 ORDER BY sent_at, id"""
    return [tuple(row) for row in await world.pool.fetch(sql, request.generation_id)]


@pytest.mark.parametrize("trouble", [Transient("503"), BUSY])
async def test_trouble_that_passes_is_tried_again_under_the_same_key(world: Any, ask: Ask, trouble: Outcome) -> None:
    one, two = Scripted("one", (trouble, trouble, OK)), Scripted("two")
    request = ask(**PICTURE)

    row = await ended(world, request, one, two)

    assert (row["state"], row["provider"], row["delivered"]) == ("done", "one", 1)
    assert one.keys == [f"{request.generation_id}-one"] * 3
    assert two.keys == []
    words = ["rate_limited" if trouble == BUSY else "transient"] * 2
    assert await written(world, request) == [(1, "one", "ended", word) for word in [*words, "succeeded"]]


@pytest.mark.parametrize(
    ("outcome", "tries"),
    [
        (Failed("provider_failed", "broken"), 1),
        (Failed("provider_unavailable", "away"), 1),
        (Transient("503"), 4),
        (RateLimited(31.0), 1),
        (BROKEN, 1),
    ],
)
async def test_the_next_one_stands_in_once_it_is_known_that_nothing_was_made(
    world: Any, ask: Ask, outcome: Outcome, tries: int
) -> None:
    one, two = Scripted("one", (outcome,)), Scripted("two", (OK,))
    request = ask(**PICTURE)
    handed_over = metrics.FAILOVERS.labels("one", "two")._value.get()

    row = await ended(world, request, one, two)

    assert (row["state"], row["provider"], len(one.keys), len(two.keys)) == ("done", "two", tries, 1)
    assert metrics.FAILOVERS.labels("one", "two")._value.get() == handed_over + 1
    assert [line[3] for line in await written(world, request)][-1] == "succeeded"


@pytest.mark.parametrize(
    ("outcome", "code"), [(Refused("not this"), "refused"), (Failed("invalid_input", "too odd"), "invalid_input")]
)
async def test_what_is_wrong_with_the_request_ends_it_everywhere(
    world: Any, ask: Ask, outcome: Outcome, code: str
) -> None:
    one, two = Scripted("one", (outcome,)), Scripted("two", (OK,))
    request = ask(**PICTURE)

    row = await ended(world, request, one, two)

    assert (row["state"], row["code"], row["provider"], two.keys) == ("failed", code, "one", [])


async def test_when_all_have_failed_the_last_one_is_believed(world: Any, ask: Ask) -> None:
    one, two = Scripted("one", (Transient("503"),)), Scripted("two", (Failed("provider_failed", "melted"),))
    request = ask(**PICTURE | {"model": "listed"})
    offer = one.capabilities.offers[1].__class__("image", models=("listed",))
    for provider in (one, two):
        provider.capabilities = provider.capabilities.__class__((offer,), reads_inputs=False, remote=True)

    row = await ended(world, request, one, two)

    assert (row["code"], row["provider"], row["reason"]) == ("provider_failed", "two", "melted")


async def test_a_part_of_what_was_asked_for_is_delivered_as_a_part(world: Any, ask: Ask) -> None:
    request = ask(**PICTURE | {"n": 4})
    row = await ended(world, request, Scripted("one", (Partial(OK.pictures * 2, 2),)), Scripted("two", (OK,)))

    assert (row["state"], row["delivered"]) == ("done", 2)
    assert await written(world, request) == [(1, "one", "ended", "partial")]


@pytest.mark.parametrize("answer", [Unknown(), ConnectionResetError("in the middle")])
async def test_a_lost_answer_is_asked_for_and_nothing_is_submitted_anywhere(
    world: Any, ask: Ask, answer: Outcome | Exception
) -> None:
    one, two = Scripted("one", (answer,), recalls=(Unknown(), Unknown(), OK)), Scripted("two", (OK,))
    request = ask(**PICTURE)

    row = await ended(world, request, one, two)

    assert (row["state"], row["provider"]) == ("done", "one")
    assert (len(one.keys), one.recalled, two.keys) == (1, one.keys * 3, [])
    assert await written(world, request) == [(1, "one", "ended", "succeeded")]
    assert await world.pool.fetchval("SELECT sent_at <= lost_at AND lost_at <= ended_at FROM submissions")


async def test_a_lost_answer_that_stays_lost_is_refunded_as_unknown(world: Any, ask: Ask) -> None:
    one, two = Scripted("one", (Unknown(),)), Scripted("two", (OK,))
    request = ask(**PICTURE)

    row = await ended(world, request, one, two)

    assert (row["code"], row["provider"], len(one.keys), two.keys) == ("unknown_outcome", "one", 1, [])
    assert (await world.said(request.generation_id, "render_failed"))["code"] == "unknown_outcome"
    assert await written(world, request) == [(1, "one", "ended", "unknown")]


async def test_nobody_waits_for_a_provider_that_can_never_tell(world: Any, ask: Ask) -> None:
    one, request = Scripted("one", (Unknown(),), capabilities=FORGETFUL), ask(**PICTURE)

    row = await ended(world, request, one)

    assert (row["code"], one.recalled) == ("unknown_outcome", [])
    assert await world.pool.fetchval("SELECT lost_at FROM submissions") is not None


async def test_when_the_recall_says_that_nothing_was_made_it_is_submitted_again(world: Any, ask: Ask) -> None:
    one = Scripted("one", (Unknown(), OK), recalls=(Transient("never heard of it"),))
    request = ask(**PICTURE)

    row = await ended(world, request, one)

    assert (row["state"], len(one.keys), len(one.recalled)) == ("done", 2, 1)
    assert [line[3] for line in await written(world, request)] == ["transient", "succeeded"]


async def test_a_provider_that_keeps_failing_is_passed_over_and_that_is_written_down(world: Any, ask: Ask) -> None:
    one, two = Scripted("one", (Failed("provider_failed", "melted"),)), Scripted("two", (OK,))
    process = world.process(lease_s=PATIENT_S, preferred=(one, two), slots=1)
    requests = [ask(**PICTURE) for _ in range(FAILURES_MAX + 1)]
    await process.handle(*requests)
    process.start()
    for request in requests:
        assert (await world.until(request.generation_id, "done", "failed"))["provider"] == "two"

    lines = [line for request in requests for line in await written(world, request)]
    assert len(one.keys) == [line[3] for line in lines].count("failed") == FAILURES_MAX
    assert lines.count((1, "one", "ended", "not_sent")) == 1
    assert REGISTRY.get_sample_value("atelier_provider_breaker_state", {"provider": "one"}) == 2


async def test_a_provider_is_not_called_more_often_at_once_than_it_bears(world: Any, ask: Ask) -> None:
    one = Scripted("one", (OK,), hold=asyncio.Event())
    process = world.process(lease_s=PATIENT_S, preferred=(one,), slots=6)
    requests = [ask(**PICTURE) for _ in range(6)]
    await process.handle(*requests)
    process.start()
    for request in requests:
        await world.until(request.generation_id, "running")
    async with asyncio.timeout(5):
        while len(one.keys) < 4:  # noqa: ASYNC110 - nothing to wait on
            await asyncio.sleep(0.01)
    assert len(await world.pool.fetch("SELECT FROM submissions")) == 4

    one.let_go()

    for request in requests:
        assert (await world.until(request.generation_id, "done"))["delivered"] == 1


@pytest.mark.parametrize(
    ("recalled", "submissions", "outcomes"),
    [
        ((OK,), 1, [(1, "succeeded")]),
        ((Unknown(), OK), 1, [(1, "succeeded")]),
        ((Transient("never heard of it"),), 2, [(1, "transient"), (2, "succeeded")]),
    ],
)
async def test_who_takes_a_job_over_asks_what_became_of_the_submission_before_it_submits(
    world: Any, ask: Ask, recalled: tuple[Outcome, ...], submissions: int, outcomes: list[tuple[int, str]]
) -> None:
    one = Scripted("one", (OK,), recalls=recalled, hold=asyncio.Event())
    request = ask(**PICTURE)
    dying, heir = world.process(lease_s=PATIENT_S, preferred=(one,)), world.process(lease_s=PATIENT_S, preferred=(one,))
    await dying.handle(request)
    dying.start()
    await asyncio.wait_for(one.asked.wait(), 5)
    await lost(world, dying)
    assert await written(world, request) == [(1, "one", "sent", None)]

    one.let_go()
    heir.start()
    row = await world.until(request.generation_id, "done")

    assert (row["attempt"], row["provider"], row["delivered"]) == (2, "one", 1)
    assert (len(one.keys), len(set(one.keys + one.recalled))) == (submissions, 1)
    assert [(line[0], line[3]) for line in await written(world, request)] == outcomes


async def test_who_takes_over_what_failed_lets_the_next_one_stand_in(world: Any, ask: Ask) -> None:
    one = Scripted("one", recalls=(Failed("provider_failed", "melted"),), hold=asyncio.Event())
    two, request = Scripted("two", (OK,)), ask(**PICTURE)
    dying, heir = (
        world.process(lease_s=PATIENT_S, preferred=(one, two)),
        world.process(lease_s=PATIENT_S, preferred=(one, two)),
    )
    await dying.handle(request)
    dying.start()
    await asyncio.wait_for(one.asked.wait(), 5)
    await lost(world, dying)

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
    await asyncio.wait_for(one.asked.wait(), 5)

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
    await asyncio.wait_for(one.asked.wait(), 5)

    await process.handle(cancel(request))
    await world.until(request.generation_id, "cancelled")

    assert await written(world, request) == [(1, "one", "ended", "abandoned")]


async def test_what_was_sent_for_a_job_that_ends_between_two_attempts_is_abandoned(
    world: Any, ask: Ask, cancel: Callable[..., Any]
) -> None:
    one, request = Scripted("one", (OK,), hold=asyncio.Event()), ask(**PICTURE)
    dying, heir = world.process(lease_s=PATIENT_S, preferred=(one,)), world.process(lease_s=PATIENT_S, preferred=(one,))
    await dying.handle(request)
    dying.start()
    await asyncio.wait_for(one.asked.wait(), 5)
    await lost(world, dying)
    await heir.scheduler.free_lost()

    await heir.handle(cancel(request))
    await heir.scheduler.free_lost()

    assert (await world.job(request.generation_id))["state"] == "cancelled"
    assert await written(world, request) == [(1, "one", "ended", "abandoned")]


async def test_the_deadline_ends_reconciling_as_unknown(world: Any, ask: Ask) -> None:
    one, request = Scripted("one", (Unknown(),)), ask(**PICTURE, deadline_s=0.6)

    row = await ended(world, request, one)

    assert row["code"] == "unknown_outcome"
    assert await written(world, request) == [(1, "one", "ended", "abandoned")]


async def test_a_recall_that_succeeds_after_the_job_has_ended_is_thrown_away_and_counted(world: Any, ask: Ask) -> None:
    one, request = Scripted("one", (OK,), hold=asyncio.Event()), ask(**PICTURE)
    late, heir = world.process(lease_s=PATIENT_S, preferred=(one,)), world.process(lease_s=PATIENT_S, preferred=(one,))
    await late.handle(request)
    late.start()
    await asyncio.wait_for(one.asked.wait(), 5)
    attempt = next(iter(late.scheduler._attempts.values()))
    for task in late.tasks:  # frozen: it neither beats nor learns that its lease is lost
        task.cancel()
    await world.pool.execute("UPDATE jobs SET lease_until = now() - interval '1 s', attempt = 3")
    await heir.scheduler.free_lost()
    assert (await world.job(request.generation_id))["state"] == "failed"
    thrown_away = metrics.DISCARDED._value.get()

    one.let_go()
    await asyncio.wait_for(attempt.task, 5)

    assert metrics.DISCARDED._value.get() == thrown_away + 1
    assert await world.events(request.generation_id) == ["render_started", "render_failed"]
    assert await written(world, request) == [(1, "one", "ended", "abandoned")]


async def test_who_has_lost_the_lease_sends_nothing(world: Any, ask: Ask) -> None:
    one = Scripted("one", (Transient("503"), OK), hold=asyncio.Event())
    request = ask(**PICTURE)
    process = world.process(lease_s=PATIENT_S, preferred=(one,))
    await process.handle(request)
    process.start()
    await asyncio.wait_for(one.asked.wait(), 5)
    attempt = next(iter(process.scheduler._attempts.values()))
    for task in process.tasks:
        task.cancel()
    await world.pool.execute("UPDATE jobs SET lease_owner = 'somebody else'")

    one.let_go()
    await asyncio.wait_for(attempt.task, 5)

    assert len(one.keys) == 1
    assert await world.events(request.generation_id) == ["render_started"]


async def test_what_is_made_here_is_not_written_down(world: Any, ask: Ask) -> None:
    here, request = Scripted("here", (OK,), capabilities=HERE), ask(**PICTURE)

    row = await ended(world, request, Scripted("one", (Failed("provider_failed", "melted"),)), here)

    assert (row["state"], row["provider"], len(here.keys)) == ("done", "here", 1)
    assert await written(world, request) == [(1, "one", "ended", "failed")]

"""Providers fail, and the job is done or ended honestly: retries, fail-over, reconciling, and what is written of it."""

import asyncio
from typing import Any

import pytest
from prometheus_client import REGISTRY
from uuid_utils.compat import uuid7

from atelier_contracts import Owner, RequestRender
from atelier_contracts.value_objects import id_of_test_account
from atelier_render.execution.worker import Worker
from atelier_render.providers.protocol import (
    Failed,
    Partial,
    ProviderOutcome,
    RateLimited,
    Refused,
    Transient,
    Unknown,
)
from atelier_resilience.breaker import FAILURES_MAX
from atelier_telemetry import metrics

from .support.calls import BROKEN, BUSY, PATIENT_S, PICTURE, Ask, fetch_submissions, run_to_end
from .support.provider_script import FORGETFUL, OK, Scripted

pytestmark = pytest.mark.stack


@pytest.mark.parametrize("trouble", [Transient("503"), BUSY])
async def test_trouble_that_passes_is_tried_again_under_the_same_key(
    world: Any, ask: Ask, trouble: ProviderOutcome
) -> None:
    one, two = Scripted("one", (trouble, trouble, OK)), Scripted("two")
    request = ask(**PICTURE)

    row = await run_to_end(world, request, one, two)

    assert (row["state"], row["provider"], row["delivered"]) == ("done", "one", 1)
    assert one.keys == [f"{request.generation_id}-one"] * 3
    assert two.keys == []
    words = ["rate_limited" if trouble == BUSY else "transient"] * 2
    assert await fetch_submissions(world, request) == [(1, "one", "ended", word) for word in [*words, "succeeded"]]


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
    world: Any, ask: Ask, outcome: ProviderOutcome, tries: int
) -> None:
    one, two = Scripted("one", (outcome,)), Scripted("two", (OK,))
    request = ask(**PICTURE)
    handed_over = metrics.FAILOVERS.labels("one", "two")._value.get()

    row = await run_to_end(world, request, one, two)

    assert (row["state"], row["provider"], len(one.keys), len(two.keys)) == ("done", "two", tries, 1)
    assert metrics.FAILOVERS.labels("one", "two")._value.get() == handed_over + 1
    assert [line[3] for line in await fetch_submissions(world, request)][-1] == "succeeded"


@pytest.mark.parametrize("outcome", [Transient("503"), BUSY, Failed("provider_failed", "broken"), BROKEN])
async def test_without_a_retry_it_is_submitted_once_to_one_provider(
    world: Any, ask: Ask, outcome: ProviderOutcome
) -> None:
    one, two = Scripted("one", (outcome, OK)), Scripted("two", (OK,))

    row = await run_to_end(world, ask(**PICTURE, retry=False), one, two)

    assert (row["state"], len(one.keys), len(two.keys)) == ("failed", 1, 0)


async def test_providers_are_asked_in_the_order_of_the_request_and_never_those_that_it_excludes(
    world: Any, ask: Ask
) -> None:
    one, two, three = Scripted("one", (OK,)), Scripted("two", (OK,)), Scripted("three", (BROKEN,))
    wish = {"providers": ("three", "two"), "excluded_providers": ("one",)}

    row = await run_to_end(world, ask(**PICTURE, **wish), one, two, three)

    assert (row["state"], row["provider"]) == ("done", "two")
    assert (len(one.keys), len(two.keys), len(three.keys)) == (0, 1, 1)


@pytest.mark.parametrize(
    ("outcome", "code"), [(Refused("not this"), "refused"), (Failed("invalid_input", "too odd"), "invalid_input")]
)
async def test_what_is_wrong_with_the_request_ends_it_everywhere(
    world: Any, ask: Ask, outcome: ProviderOutcome, code: str
) -> None:
    one, two = Scripted("one", (outcome,)), Scripted("two", (OK,))
    request = ask(**PICTURE)

    row = await run_to_end(world, request, one, two)

    assert (row["state"], row["code"], row["provider"], two.keys) == ("failed", code, "one", [])


async def test_when_all_have_failed_the_last_one_is_believed(world: Any, ask: Ask) -> None:
    one, two = Scripted("one", (Transient("503"),)), Scripted("two", (Failed("provider_failed", "melted"),))
    request = ask(**PICTURE | {"model": "listed"})
    offer = one.capabilities.offers[1].__class__("image", models=("listed",))
    for provider in (one, two):
        provider.capabilities = provider.capabilities.__class__((offer,), reads_inputs=False, remote=True)

    row = await run_to_end(world, request, one, two)

    assert (row["code"], row["provider"], row["reason"]) == ("provider_failed", "two", "melted")


async def test_a_part_of_what_was_asked_for_is_delivered_as_a_part(world: Any, ask: Ask) -> None:
    request = ask(**PICTURE | {"n": 4})
    row = await run_to_end(world, request, Scripted("one", (Partial(OK.pictures * 2, 2),)), Scripted("two", (OK,)))

    assert (row["state"], row["delivered"]) == ("done", 2)
    assert await fetch_submissions(world, request) == [(1, "one", "ended", "partial")]


@pytest.mark.parametrize("answer", [Unknown(), ConnectionResetError("in the middle")])
async def test_a_lost_answer_is_asked_for_and_nothing_is_submitted_anywhere(
    world: Any, ask: Ask, answer: ProviderOutcome | Exception
) -> None:
    one, two = Scripted("one", (answer,), recalls=(Unknown(), Unknown(), OK)), Scripted("two", (OK,))
    request = ask(**PICTURE)

    row = await run_to_end(world, request, one, two)

    assert (row["state"], row["provider"]) == ("done", "one")
    assert (len(one.keys), one.recalled, two.keys) == (1, one.keys * 3, [])
    assert await fetch_submissions(world, request) == [(1, "one", "ended", "succeeded")]
    assert await world.pool.fetchval("SELECT sent_at <= lost_at AND lost_at <= ended_at FROM submissions")


async def test_a_lost_answer_that_stays_lost_is_refunded_as_unknown(world: Any, ask: Ask) -> None:
    one, two = Scripted("one", (Unknown(),)), Scripted("two", (OK,))
    request = ask(**PICTURE)

    row = await run_to_end(world, request, one, two)

    assert (row["code"], row["provider"], len(one.keys), two.keys) == ("unknown_outcome", "one", 1, [])
    assert (await world.message_of(request.generation_id, "render_failed"))["code"] == "unknown_outcome"
    assert await fetch_submissions(world, request) == [(1, "one", "ended", "unknown")]


async def test_nobody_waits_for_a_provider_that_can_never_tell(world: Any, ask: Ask) -> None:
    one, request = Scripted("one", (Unknown(),), capabilities=FORGETFUL), ask(**PICTURE)

    row = await run_to_end(world, request, one)

    assert (row["code"], one.recalled) == ("unknown_outcome", [])
    assert await world.pool.fetchval("SELECT lost_at FROM submissions") is not None


async def test_when_the_recall_says_that_nothing_was_made_it_is_submitted_again(world: Any, ask: Ask) -> None:
    one = Scripted("one", (Unknown(), OK), recalls=(Transient("never heard of it"),))
    request = ask(**PICTURE)

    row = await run_to_end(world, request, one)

    assert (row["state"], len(one.keys), len(one.recalled)) == ("done", 2, 1)
    assert [line[3] for line in await fetch_submissions(world, request)] == ["transient", "succeeded"]


async def test_a_provider_that_keeps_failing_is_passed_over_and_that_is_written_down(world: Any, ask: Ask) -> None:
    one, two = Scripted("one", (Failed("provider_failed", "melted"),)), Scripted("two", (OK,))
    process = world.process(lease_s=PATIENT_S, preferred=(one, two), slots=1)
    requests = [ask(**PICTURE) for _ in range(FAILURES_MAX + 1)]
    await process.handle(*requests)
    process.start()
    for request in requests:
        assert (await world.until(request.generation_id, "done", "failed"))["provider"] == "two"

    lines = [line for request in requests for line in await fetch_submissions(world, request)]
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
    async with asyncio.timeout(60):
        while len(one.keys) < 4:  # noqa: ASYNC110 - nothing to wait on
            await asyncio.sleep(0.01)
    assert len(await world.pool.fetch("SELECT FROM submissions")) == 4

    one.let_go()

    for request in requests:
        assert (await world.until(request.generation_id, "done"))["delivered"] == 1


@pytest.mark.parametrize("is_named", [False, True])
async def test_what_a_test_account_asks_for_reaches_no_provider(world: Any, ask: Ask, *, is_named: bool) -> None:
    one = Scripted("one", (OK,))
    request = _of_test_account(ask(**PICTURE, provider="one" if is_named else None))

    row = await run_to_end(world, request, one)

    assert (row["state"], row["provider"], one.keys) == ("done", "simulator", [])


async def test_a_test_accounts_request_is_refused_by_whatever_provider_it_is_given_to(
    world: Any, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Should a mistake of ours choose one: the call itself is refused."""
    one = Scripted("one", (OK,))
    monkeypatch.setattr(Worker, "_eligible_providers", lambda *_: (one,))

    row = await run_to_end(world, request := _of_test_account(ask(**PICTURE)), one)

    assert (row["state"], row["code"], one.keys) == ("failed", "provider_unavailable", [])
    assert await fetch_submissions(world, request) == []


def _of_test_account(request: RequestRender) -> RequestRender:
    owner = Owner(kind="store", id=id_of_test_account(uuid7()))
    return request.model_copy(update={"owner": owner})

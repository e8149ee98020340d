"""Whatever a provider does, the customer pays for what was delivered and an operator sees why: the rows of
docs/providers/outcomes.md, on the running system.
"""

import signal
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import pytest

from atelier_contracts.image_models import QUEUED_MODELS, ImageProvider
from atelier_local.api_client.api_models import TERMINAL, Generation
from atelier_local.api_client.client import Client
from atelier_provider_simulator.control import Control
from atelier_provider_simulator.plans import Behaviour, ProviderName
from whole_system.waits import eventually
from whole_system.world import World

MakeStore = Callable[[int], Awaitable[Client]]
CREDITS = 100
MODELS: dict[ProviderName, str] = {"openai": "gpt-image-2.6-flare", "google": "imagen"}
"""A model that its provider lists is an order: there is no fallback."""
FAILURES_MAX = 5
_ACCEPTED = "SELECT accepted FROM submissions WHERE generation_id = $1 AND accepted IS NOT NULL"


async def start(client: Client, **asked: object) -> str:
    body = {"kind": "image", "prompt": "a lake at dawn", "size": "1024x1024"} | asked
    return (await client.create(body)).id


async def end_of(client: Client, id: str) -> Generation:
    async def look() -> Generation | None:
        now = await client.generation(id)
        return now if now.status in TERMINAL else None

    return await eventually(look)


async def read_steps(world: World, id: str) -> list[str]:
    """What ``explain`` says of calls of providers."""
    story = await world.admin.explain(id)
    return [step["what"] for step in story["steps"] if step["service"] == "render" and "key" in step]


async def read_captured(world: World, client: Client) -> int:
    """What the customer has paid, when nothing is held any more."""
    balance = await world.balance(client)
    assert (balance.held, balance.available + balance.captured) == (0, CREDITS)
    return balance.captured


async def test_trouble_that_passes_is_waited_for_and_charged_once(
    world: World, store: MakeStore, provider_simulator: Control
) -> None:
    client = await store(CREDITS)
    await provider_simulator.plan("openai", "rate_limited", retry_after_s=1)
    await provider_simulator.plan("openai", "server_error")

    done = await end_of(client, id := await start(client, model=MODELS["openai"]))

    assert (done.status, len(done.outputs)) == ("succeeded", 1)
    assert await read_captured(world, client) == done.credits.reserved
    assert await read_steps(world, id) == [
        "asked openai, try 1",
        "try 1 at openai ended: rate_limited: to be left alone for 1 s",
        "asked openai, try 2",
        "try 2 at openai ended: transient: OpenAI answered 500",
        "asked openai, try 3",
        "try 3 at openai ended: succeeded",
    ]
    keys = {arrived.idempotency_key for arrived in await provider_simulator.requests()}
    assert keys == {f"{id}-openai"}
    waited = """SELECT bool_or(later.sent_at >= first.ended_at + interval '1 s') FROM submissions first
                JOIN submissions later USING (generation_id)
                WHERE generation_id = $1 AND first.outcome = 'rate_limited' AND later.outcome = 'transient'"""
    assert await world.databases["render"].fetchval(waited, id)


async def test_another_provider_stands_in_for_one_that_cannot(
    world: World, store: MakeStore, provider_simulator: Control
) -> None:
    client = await store(CREDITS)
    await provider_simulator.plan("openai", "out_of_quota")

    done = await end_of(client, id := await start(client, provider="openai"))

    assert done.status == "succeeded"
    assert await read_captured(world, client) == done.credits.reserved
    assert done.provider == "local"
    [_, ended] = await read_steps(world, id)
    assert ended == (
        "try 1 at openai ended: failed: provider_unavailable: OpenAI's quota for the configured key is used up"
    )
    story = await world.admin.explain(id)
    assert "attempt 1 ended: done, by local" in [step["what"] for step in story["steps"]]


@pytest.mark.parametrize(
    ("provider", "outcome", "code", "said"),
    [
        ("openai", "corrupt", "provider_failed", "failed: provider_failed: "),
        ("google", "oversized", "provider_failed", "failed: provider_failed: "),
        ("openai", "refused", "refused", "refused: "),
        ("google", "lost_response", "unknown_outcome", "unknown: the provider never said what became of it"),
    ],
)
async def test_what_was_not_delivered_is_not_paid_and_not_asked_for_again(
    world: World,
    store: MakeStore,
    provider_simulator: Control,
    provider: ProviderName,
    outcome: Behaviour,
    code: str,
    said: str,
) -> None:
    client = await store(CREDITS)
    await provider_simulator.plan(provider, outcome)

    ended = await end_of(client, id := await start(client, model=MODELS[provider]))

    assert (ended.status, (ended.error or {})["code"]) == ("failed", code)
    assert await read_captured(world, client) == 0
    assert len(await provider_simulator.requests()) == 1
    steps = await read_steps(world, id)
    assert steps[0] == f"asked {provider}, try 1"
    assert steps[-1].startswith(f"try 1 at {provider} ended: {said}")
    assert (f"the answer of {provider} was lost: it is asked what became of it" in steps) == (code == "unknown_outcome")


async def test_an_answer_that_was_lost_and_found_is_charged_as_if_it_had_come_at_once(
    world: World, store: MakeStore
) -> None:
    client = await store(CREDITS)
    headers = {"X-Atelier-Simulate": "outcome=lost_response"}

    made = await client.create({"kind": "image", "prompt": "a lake at dawn"}, headers)
    done = await end_of(client, made.id)

    assert (done.status, len(done.outputs)) == ("succeeded", 1)
    assert await read_captured(world, client) == done.credits.reserved


async def test_a_part_is_charged_in_part(world: World, store: MakeStore, provider_simulator: Control) -> None:
    client = await store(CREDITS)
    await provider_simulator.plan("google", "partial", times=4, delivered=3)

    done = await end_of(client, id := await start(client, model=MODELS["google"], n=4))

    assert (done.status, len(done.outputs)) == ("succeeded", 3)
    assert await read_captured(world, client) == 3 * done.credits.reserved // 4
    assert (await read_steps(world, id))[-1] == "try 1 at google ended: partial: 3 delivered"


async def test_what_comes_after_its_refund_is_nobodys(
    world: World, store: MakeStore, provider_simulator: Control
) -> None:
    client = await store(CREDITS)
    await provider_simulator.plan("openai", "slow", delay_ms=1_000)
    id = await start(client, model=MODELS["openai"])
    await eventually(lambda: _requests_to(provider_simulator))

    await client.ask("cancel", "POST", f"/v1/generations/{id}/cancel")
    ended = await end_of(client, id)

    assert (ended.status, ended.outputs) == ("cancelled", ())
    assert await read_captured(world, client) == 0
    assert (await read_steps(world, id))[-1] == "try 1 at openai ended: abandoned: cancelled at the client's wish"


async def test_a_killed_process_forgets_whom_it_left_alone_but_not_what_it_sent(
    world: World, store: MakeStore, provider_simulator: Control
) -> None:
    client = await store(CREDITS)
    await provider_simulator.plan("openai", "out_of_quota", times=FAILURES_MAX)
    for _ in range(FAILURES_MAX):
        await end_of(client, await start(client, model=MODELS["openai"]))
    left_alone = await end_of(client, id := await start(client, model=MODELS["openai"]))
    [passed_over] = await read_steps(world, id)
    assert (left_alone.error or {})["code"] == "provider_unavailable"
    assert passed_over.startswith("openai was passed over: left alone for another ")

    await provider_simulator.plan("google", "slow", delay_ms=3_000)
    sent = await start(client, model=MODELS["google"])
    await eventually(lambda: _requests_to(provider_simulator, "google"))
    await world.kill("render", signal.SIGKILL)

    lost = await end_of(client, sent)
    assert (lost.error or {})["code"] == "unknown_outcome"
    assert [request.provider for request in await provider_simulator.requests()].count("google") == 1
    assert await read_captured(world, client) == 0
    await provider_simulator.forget()  # a breaker that had counted before leaves some of the plans behind
    again = await end_of(client, await start(client, model=MODELS["openai"]))
    assert again.status == "succeeded"


@pytest.mark.parametrize("provider", QUEUED_MODELS)
async def test_a_request_that_was_taken_is_found_by_its_id_after_a_crash_and_never_submitted_again(
    world: World, store: MakeStore, provider_simulator: Control, provider: ImageProvider
) -> None:
    client = await store(CREDITS)
    await provider_simulator.plan(provider, "slow", delay_ms=4_000)
    sent = await start(client, model=QUEUED_MODELS[provider][0])

    async def look() -> Any:
        return await world.databases["render"].fetchval(_ACCEPTED, UUID(sent))

    await eventually(look)
    await world.kill("render", signal.SIGKILL)

    done = await end_of(client, sent)
    assert (done.status, len(done.outputs)) == ("succeeded", 1)
    assert [request.provider for request in await provider_simulator.requests()] == [provider]
    assert await read_captured(world, client) == done.credits.captured > 0


async def _requests_to(simulator: Control, provider: str = "openai") -> Any:
    return [request for request in await simulator.requests() if request.provider == provider] or None

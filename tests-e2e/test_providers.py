"""Pictures by OpenAI and Google, who are played over their own wire formats: delivered, partly, or not at all."""

from collections.abc import Awaitable, Callable

import pytest

from atelier_local.answers import TERMINAL, Generation
from atelier_local.client import Client
from atelier_provider_simulator.control import Control
from whole_system.world import eventually

NewStore = Callable[[int], Awaitable[Client]]


async def ended(client: Client, **body: object) -> Generation:
    """A native request, followed to its end."""
    made = await client.create({"kind": "image", "prompt": "a lake at dawn"} | body)

    async def look() -> Generation | None:
        now = await client.generation(made.id)
        return now if now.status in TERMINAL else None

    return await eventually(look)


@pytest.mark.parametrize(
    ("asked", "provider", "sent", "size"),
    [
        (
            {"provider": "openai", "model": "dall-e-3", "size": "1792x1024"},
            "openai",
            "gpt-image-2.5-flare",
            (1792, 1024),
        ),
        (
            {"provider": "google", "model": "imagen", "size": "1024x1792"},
            "google",
            "gemini-3.1-flash-image",
            (1024, 1792),
        ),
    ],
)
async def test_a_picture_comes_from_the_provider_that_was_named(
    store: NewStore,
    provider_simulator: Control,
    asked: dict[str, object],
    provider: str,
    sent: str,
    size: tuple[int, int],
) -> None:
    client = await store(100)

    generation = await ended(client, **asked)

    assert generation.status == "succeeded", generation.error
    assert [(output.width, output.height) for output in generation.outputs] == [size]
    (arrived,) = await provider_simulator.requests()
    assert (arrived.provider, arrived.model, arrived.made) == (provider, sent, 1)
    assert generation.id in (arrived.idempotency_key or "")


async def test_two_of_four_pictures_are_delivered_and_two_are_given_back(
    store: NewStore, provider_simulator: Control
) -> None:
    client = await store(100)
    await provider_simulator.plan("google", "partial", times=4, delivered=2)

    generation = await ended(client, provider="google", model="imagen", n=4)

    assert generation.status == "succeeded", generation.error
    assert len(generation.outputs) == 2
    assert generation.credits.captured == generation.credits.refunded > 0


async def test_what_the_provider_refuses_is_said_so_and_costs_nothing(
    store: NewStore, provider_simulator: Control
) -> None:
    client = await store(100)
    await provider_simulator.plan("openai", "refused")

    generation = await ended(client, provider="openai", model="gpt-image-2.5-flare")

    assert generation.status == "failed" and generation.error is not None
    assert generation.error["code"] == "refused"
    assert (generation.credits.captured, generation.credits.refunded) == (0, generation.credits.reserved)
    assert len(await provider_simulator.requests()) == 1

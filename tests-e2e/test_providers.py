"""Pictures by the hosted providers, who are played over their own wire formats: delivered, partly, or not at all."""

import itertools
from collections.abc import Awaitable, Callable

import pytest

from atelier_contracts import RenderSpec
from atelier_contracts.image_models import QUEUED_MODELS
from atelier_contracts.model_lifecycles import utc_today
from atelier_gateway.generations.image_models import MODELS, STYLES, UnsupportedModelOption, resolve
from atelier_local.api_client.api_models import TERMINAL, Generation
from atelier_local.api_client.client import Client
from atelier_provider_simulator.control import Control
from atelier_render.providers.registry import HOSTED
from whole_system.waits import eventually

NewStore = Callable[[int], Awaitable[Client]]


async def run_to_end(client: Client, **body: object) -> Generation:
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
            "gpt-image-2.6-flare",
            (1792, 1024),
        ),
        (
            {"provider": "google", "model": "imagen", "size": "1024x1792"},
            "google",
            "gemini-3.1-flash-image",
            (1024, 1792),
        ),
        *(
            ({"provider": name, "size": "1792x1024"}, name, models[0], (1792, 1024))
            for name, models in QUEUED_MODELS.items()
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

    generation = await run_to_end(client, **asked)

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

    generation = await run_to_end(client, provider="google", model="imagen", n=4)

    assert generation.status == "succeeded", generation.error
    assert len(generation.outputs) == 2
    assert generation.credits.captured == generation.credits.refunded > 0


async def test_what_the_provider_refuses_is_said_so_and_costs_nothing(
    store: NewStore, provider_simulator: Control
) -> None:
    client = await store(100)
    await provider_simulator.plan("openai", "refused")

    generation = await run_to_end(client, provider="openai", model="gpt-image-2.6-flare")

    assert generation.status == "failed" and generation.error is not None
    assert generation.error["code"] == "refused"
    assert (generation.credits.captured, generation.credits.refunded) == (0, generation.credits.reserved)
    assert len(await provider_simulator.requests()) == 1


async def test_a_narration_is_read_by_the_model_that_was_named(store: NewStore, provider_simulator: Control) -> None:
    client = await store(1_000)

    generation = await run_to_end(
        client, kind="narration", prompt="Once upon a time.", provider="openai", model="tts-1"
    )

    assert generation.status == "succeeded", generation.error
    assert [output.content_type for output in generation.outputs] == ["audio/mpeg"]
    assert [request.path for request in await provider_simulator.requests()] == ["/v1/audio/speech"]


def test_what_the_gateway_has_prices_for_is_what_the_providers_offer() -> None:
    can = {hosted.name: hosted.capabilities(utc_today()) for hosted in HOSTED}
    narrower = set()
    for name, model in MODELS.items():
        for size, quality, style in itertools.product(model.sizes, model.qualities, (None, *STYLES[model.provider])):
            found = resolve(provider=model.provider, model=name, size=size, quality=quality, style=style)
            if isinstance(found, UnsupportedModelOption):
                continue
            spec = RenderSpec(
                kind="image", prompt="p", model=name, size=found.size, quality=found.quality, style=found.style
            )
            if can[model.provider].objection(spec) is not None:
                narrower.add(name)

    assert narrower == set()

"""The words that only OpenAI's shape has reach the provider, or are refused with the reason."""

import asyncio
from typing import Any

import pytest

from atelier_contracts import OpenAIOptions

from ...support.openai import GENERATE, PROMPT, failure_of, success_of
from ...support.world import World
from ..test_edit_sizes import SQUARE, edit, image_bytes, last_request

pytestmark = pytest.mark.stack


@pytest.fixture
async def key(world: World) -> dict[str, str]:
    _, headers = await world.store()
    return headers


async def test_moderation_user_identifier_and_background_go_along(world: World, key: dict[str, str]) -> None:
    words = {"moderation": "low", "user": "u-1", "safety_identifier": "s-1", "background": "opaque"}
    waiting = asyncio.create_task(world.client.post(GENERATE, headers=key, json=PROMPT | words))

    async def has_started() -> bool:
        return bool(world.neighbours.started)

    await world.until(has_started)
    await world.neighbours.say(failure_of(last_request(world)))
    await waiting

    assert last_request(world).spec.openai == OpenAIOptions(**words)


@pytest.mark.parametrize(("model", "fidelity"), [("gpt-image-2", "high"), ("gpt-image-2.6-flare", "high")])
async def test_the_fidelity_of_an_edit_goes_along(world: World, key: dict[str, str], model: str, fidelity: str) -> None:
    request = await edit(
        world, key, image_bytes(SQUARE), "/v1/images/edits", prompt="a hat", model=model, input_fidelity=fidelity
    )

    assert request.spec.openai == OpenAIOptions(input_fidelity="high")


@pytest.mark.parametrize(
    ("model", "field", "value", "why"),
    [
        ("gpt-image-2", "input_fidelity", "low", "input_fidelity: gpt-image-2 takes high, not low"),
        ("imagen", "input_fidelity", "high", "input_fidelity: imagen has no such parameter"),
    ],
)
async def test_a_word_that_the_model_does_not_know_is_refused_with_the_reason(
    world: World, key: dict[str, str], model: str, field: str, value: str, why: str
) -> None:
    files = {"image": ("me.jpg", image_bytes(SQUARE), "image/jpeg")}
    fields = {"prompt": "a hat", "model": model, field: value}

    refused = await world.client.post("/v1/images/edits", headers=key, files=files, data=fields)

    error = refused.json()["error"]
    assert (refused.status_code, error["param"], error["message"]) == (400, field, why)
    assert await world.pool.fetchval("SELECT count(*) FROM files") == 0


async def test_an_edit_takes_sixteen_pictures_and_no_more(world: World, key: dict[str, str]) -> None:
    files = [("image[]", (f"{n}.jpg", image_bytes(SQUARE), "image/jpeg")) for n in range(17)]
    fields = {"prompt": "a hat", "model": "gpt-image-2.6-flare"}

    waiting = asyncio.create_task(
        world.client.post("/v1/images/edits", headers=key, files=files[:16], data=fields | {"size": "1024x1024"})
    )

    async def has_started() -> bool:
        return bool(world.neighbours.started)

    await world.until(has_started)
    await world.neighbours.say(failure_of(last_request(world)))
    await waiting
    assert len(last_request(world).spec.inputs) == 16

    refused = await world.client.post("/v1/images/edits", headers=key, files=files, data=fields)
    error = refused.json()["error"]
    assert (refused.status_code, error["param"], "from 1 to 16" in error["message"]) == (400, "image", True)


@pytest.mark.parametrize("quality", ["xhigh", "max"])
async def test_the_finest_qualities_are_refused_by_models_that_have_them_not(
    world: World, key: dict[str, str], quality: str
) -> None:
    refused = await world.client.post(GENERATE, headers=key, json=PROMPT | {"model": "gpt-image-2", "quality": quality})

    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "quality")


async def test_moderation_is_openais_alone(world: World, key: dict[str, str]) -> None:
    body = PROMPT | {"model": "imagen", "moderation": "low"}

    refused = await world.client.post(GENERATE, headers=key, json=body)

    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "moderation")


@pytest.mark.parametrize(
    ("asked", "tier", "credits"),
    [
        ("low", "low", 5),
        ("medium", "standard", 10),
        ("high", "hd", 20),
        ("xhigh", "xhigh", 30),
        ("max", "max", 40),
    ],
)
async def test_each_quality_is_made_priced_and_shown_as_such(
    world: World, key: dict[str, str], asked: str, tier: str, credits: int
) -> None:
    body: dict[str, Any] = PROMPT | {"model": "gpt-image-2.6-flare", "quality": asked, "response_format": "url"}
    waiting = asyncio.create_task(world.client.post(GENERATE, headers=key, json=body))

    async def has_started() -> bool:
        return bool(world.neighbours.started)

    await world.until(has_started)
    request = last_request(world)
    await world.neighbours.say(success_of(request))
    reply = await waiting

    assert (request.spec.quality, request.work.quality, reply.json()["quality"]) == (tier, tier, asked)
    reserved = await world.pool.fetchval("SELECT price FROM generations")
    assert reserved == credits


async def test_the_seeds_and_the_native_surface_sell_low_too(world: World, key: dict[str, str]) -> None:
    low = {"kind": "image", "prompt": "a cat", "quality": "low"}

    quote = await world.client.post("/v1/quotes", headers=key, json=low)

    assert quote.json()["credits"] == 5 and quote.json()["price_book"] == "v3"

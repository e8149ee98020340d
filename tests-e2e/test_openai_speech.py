"""Stock clients have texts spoken by the running system: what is spoken is paid by its length, all else is free."""

import asyncio
import io
import json
import wave
from collections.abc import AsyncIterator
from typing import Any

import av
import httpx
import openai
import pytest
from openai import AsyncOpenAI

from atelier_provider_simulator.control import Control
from whole_system import packages
from whole_system.shops import open_shop, open_store, read_books
from whole_system.waits import becomes
from whole_system.world import World

GRANTED = 5
TEXT = "The old lighthouse keeper climbed the stairs, and lit the lamp. "


@pytest.fixture
async def shop(world: World) -> AsyncIterator[tuple[str, AsyncOpenAI]]:
    """A store and the stock client that acts for it."""
    async with open_shop(world, GRANTED) as opened:
        yield opened


async def test_a_text_is_spoken_and_paid_by_its_length(world: World, shop: tuple[str, AsyncOpenAI]) -> None:
    owner, client = shop

    spoken = await client.audio.speech.create(model="tts-1", voice="alloy", input=TEXT * 20)

    assert spoken.response.headers["content-type"] == "audio/mpeg" and len(spoken.content) > 1_000
    await becomes((GRANTED - 2, 0, 2), lambda: read_books(world, owner))


@pytest.mark.parametrize(
    ("sound_format", "media_type", "container"),
    [("opus", "audio/ogg", "ogg"), ("aac", "audio/aac", "aac"), ("flac", "audio/flac", "flac")],
)
@pytest.mark.parametrize("model", ["tts-1", None], ids=["openai", "voices of this installation"])
async def test_each_format_is_a_file_that_players_read_and_says_that_it_is_synthetic(
    shop: tuple[str, AsyncOpenAI], sound_format: Any, media_type: str, container: str, model: str | None
) -> None:
    _, client = shop
    if model is None:
        made = await client.post(
            "/generations",
            body={"kind": "narration", "text": TEXT, "audio_format": sound_format, "provider": "narration"},
            cast_to=httpx.Response,
            options={"headers": {"Prefer": "wait=30"}},
        )
        [output] = made.json()["outputs"]
        async with httpx.AsyncClient(trust_env=False) as plain:
            data, said = (await plain.get(output["url"])).content, output["content_type"]
    else:
        spoken = await client.audio.speech.create(model=model, voice="alloy", input=TEXT, response_format=sound_format)
        data, said = spoken.content, spoken.response.headers["content-type"]

    with av.open(io.BytesIO(data), "r") as file:
        seconds = sum(frame.samples / frame.sample_rate for frame in file.decode(audio=0))
        assert file.format.name == container and seconds > 0.2
    assert said == media_type
    assert b"digitalsourcetype/" in data


async def test_what_the_provider_does_not_speak_is_free(
    world: World, shop: tuple[str, AsyncOpenAI], provider_simulator: Control
) -> None:
    """A model that is named is an order: no other voice stands in for it."""
    owner, client = shop
    await provider_simulator.plan("openai", "out_of_quota")

    with pytest.raises(openai.InternalServerError) as failed:
        await client.audio.speech.create(model="tts-1", voice="alloy", input=TEXT)

    assert failed.value.status_code == 503
    assert await read_books(world, owner) == (GRANTED, 0, 0)


async def test_the_body_can_be_read_as_a_stream(world: World, shop: tuple[str, AsyncOpenAI]) -> None:
    owner, client = shop
    pieces = []

    async with client.audio.speech.with_streaming_response.create(
        model="gpt-4o-mini-tts", voice="cedar", input=TEXT * 10, response_format="wav", speed=2.0, instructions="calmly"
    ) as reply:
        async for piece in reply.iter_bytes(4_096):
            pieces.append(piece)

    assert len(pieces) > 1
    with wave.open(io.BytesIO(b"".join(pieces))) as file:
        assert file.getnframes() > 1_000
    assert await read_books(world, owner) == (GRANTED - 1, 0, 1)


async def test_a_client_that_does_not_wait_for_the_sound_pays_nothing(
    world: World, shop: tuple[str, AsyncOpenAI]
) -> None:
    owner, client = shop

    with pytest.raises(openai.APITimeoutError):
        await client.with_options(timeout=1.0).audio.speech.create(
            model="tts-1",
            voice="alloy",
            input=TEXT,
            extra_headers={"X-Atelier-Simulate": "outcome=succeed, delay_ms=60000"},
        )

    async def states() -> list[str]:
        rows = await world.databases["session"].fetch("SELECT state FROM sagas WHERE owner_id = $1::uuid", owner)
        return [row["state"] for row in rows]

    await becomes(["cancelled"], states)
    await becomes((GRANTED, 0, 0), lambda: read_books(world, owner))


async def test_the_stock_node_client_speaks_and_raises_what_its_users_expect(world: World) -> None:
    scenarios = ("wav", "pcm", "sse", "aac", "refusal", "failure", "no_credits")
    stores = {name: await open_store(world, 0 if name == "no_credits" else GRANTED) for name in scenarios}
    order: dict[str, Any] = {"url": world.url, "photo": "package.json"}
    order |= {"keys": {name: key for name, (_, key) in stores.items()}}

    folder = packages.node_packages("node")
    said = json.loads(await asyncio.to_thread(packages.node, "openai-speech.mjs", json.dumps(order), cwd=folder))

    assert said["wav"]["made"] == ["audio/wav", "RIFF", True]
    assert said["pcm"]["made"][0].startswith("audio/pcm") and said["pcm"]["made"][2]
    assert said["sse"]["made"][-1] == "speech.audio.done" and set(said["sse"]["made"][:-1]) == {"speech.audio.delta"}
    assert said["aac"]["made"][0] == "audio/aac"
    raised = {name: said[name]["raised"] for name in ("refusal", "failure", "no_credits")}
    assert (raised["refusal"]["code"], raised["refusal"]["param"]) == ("content_policy_violation", "input")
    assert (raised["failure"]["name"], raised["failure"]["code"]) == ("InternalServerError", "provider_failed")
    assert (raised["no_credits"]["name"], raised["no_credits"]["code"]) == ("RateLimitError", "insufficient_quota")
    for name, (owner, _) in stores.items():
        granted, paid = 0 if name == "no_credits" else GRANTED, 1 if name in ("wav", "pcm", "sse", "aac") else 0
        assert await read_books(world, owner) == (granted - paid, 0, paid), name

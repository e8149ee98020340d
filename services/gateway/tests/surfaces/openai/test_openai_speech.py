"""Speech in OpenAI's shape on real servers: the sound as it was ordered, priced by its length, free where it fails."""

import asyncio
import base64
import io
import json
import wave
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from atelier_contracts import Artefact, GenerationRequested, GenerationSucceeded, Message, SpeechOptions
from atelier_gateway.surfaces.openai.speech_requests import MEDIA_TYPES
from atelier_storage.keys import artefact_key

from ...support.neighbours import decline
from ...support.openai import failure_of, last_request
from ...support.provider_offers import LOCAL, row, surfaces_where
from ...support.world import World

pytestmark = pytest.mark.stack
SPEECH = "/v1/audio/speech"
ASKED = {"model": "gpt-4o-mini-tts", "input": "Once upon a time.", "voice": "coral"}
SAMPLES = bytes(range(200)) * 600
FORMATS = ["mp3", "wav", "opus", "aac", "flac"]
NARRATION = {"name": "narration", "remote": False, "offers": [row("narration", n_max=1, audio_formats=FORMATS)]}


@pytest.fixture
async def key(world: World) -> dict[str, str]:
    _, headers = await world.store()
    return headers


def wav(rate_hz: int = 24_000) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(SAMPLES)
    return out.getvalue()


def success_of(request: GenerationRequested) -> GenerationSucceeded:
    sound_format = request.spec.audio_format
    owner = request.owner
    key = artefact_key(owner.kind, owner.id, request.generation_id, 0, sound_format)
    media = MEDIA_TYPES[sound_format]
    output = Artefact(key=key, content_type=media, size=3, sha256="ab" * 32)
    money = {"delivered": 1, "captured": 1, "refunded": 0}
    return GenerationSucceeded(generation_id=request.generation_id, outputs=(output,), provider="narration", **money)


async def speak(
    world: World, headers: dict[str, str], ends: Callable[[GenerationRequested], Message], **body: Any
) -> httpx.Response:
    """POSTs; the sound is stored, and then the session reports the end."""
    waiting = asyncio.create_task(world.client.post(SPEECH, headers=headers, json=ASKED | body))

    async def has_started() -> bool:
        return bool(world.neighbours.started)

    await world.until(has_started)
    end = ends(last_request(world))
    if isinstance(end, GenerationSucceeded):
        sound_format = last_request(world).spec.audio_format
        stored = wav() if sound_format == "wav" else sound_format.encode()
        await world.container.objects.put(end.outputs[0].key, stored, "audio/mpeg")
    await world.neighbours.say(end)
    return await waiting


@pytest.mark.parametrize(
    ("asked", "media_type", "sound"),
    [
        ({}, "audio/mpeg", b"mp3"),
        ({"response_format": "mp3"}, "audio/mpeg", b"mp3"),
        ({"response_format": "opus"}, "audio/ogg", b"opus"),
        ({"response_format": "aac"}, "audio/aac", b"aac"),
        ({"response_format": "flac"}, "audio/flac", b"flac"),
        ({"response_format": "wav"}, "audio/wav", wav()),
        ({"response_format": "pcm"}, "audio/pcm;rate=24000", SAMPLES),
    ],
)
async def test_the_answer_is_the_sound_in_the_format_that_was_asked(
    world: World, key: dict[str, str], asked: dict[str, str], media_type: str, sound: bytes
) -> None:
    reply = await speak(world, key, success_of, **asked)

    assert (reply.status_code, reply.headers["content-type"], reply.content) == (200, media_type, sound)
    assert reply.headers["X-Generation-Id"] == str(last_request(world).generation_id)


async def test_voice_speed_and_directions_go_along_and_the_length_is_the_price(
    world: World, key: dict[str, str]
) -> None:
    await speak(world, key, failure_of, input="a" * 1_001, speed=1.5, instructions="whisper", response_format="pcm")

    request = last_request(world)
    assert (request.work.kind, request.work.characters, request.spec.style) == ("narration", 1_001, "coral")
    assert request.spec.speech == SpeechOptions(speed=1.5, instructions="whisper", rate_hz=24_000)
    assert await world.pool.fetchval("SELECT price FROM generations") == 2
    stored = await world.container.objects.get(str(request.spec.inputs[0].key), 10_000)
    assert stored == b"a" * 1_001


async def test_as_events_the_sound_comes_in_pieces_and_then_what_it_cost(world: World, key: dict[str, str]) -> None:
    reply = await speak(world, key, success_of, response_format="pcm", stream_format="sse")

    events = [json.loads(line.removeprefix("data: ")) for line in reply.text.split("\n\n") if line]
    pieces = [base64.b64decode(event["audio"]) for event in events[:-1]]
    assert len(pieces) > 1 and b"".join(pieces) == SAMPLES
    assert {event["type"] for event in events[:-1]} == {"speech.audio.delta"}
    assert (events[-1]["type"], events[-1]["usage"]["credits"]) == ("speech.audio.done", 1)


async def test_what_fails_is_told_in_openais_shape_and_leaves_the_text_to_nobody_else(
    world: World, key: dict[str, str]
) -> None:
    failed = await speak(world, key, failure_of)
    world.neighbours.answer = decline
    poor = await world.client.post(SPEECH, headers=key, json=ASKED)

    assert (failed.status_code, failed.json()["error"]["code"]) == (503, "provider_failed")
    assert "Nothing is charged" in failed.json()["error"]["message"]
    assert (poor.status_code, poor.json()["error"]["code"]) == (429, "insufficient_quota")
    assert await world.pool.fetchval("SELECT count(*) FROM files WHERE generation_id IS NULL") == 1


@pytest.mark.parametrize(
    ("body", "status", "param", "why"),
    [
        ({"response_format": "ogg"}, 400, "response_format", "opus"),
        ({"voice": {"id": "voice_1"}}, 400, "voice", "voices of one's own are not made here"),
        ({"voice": "nobody"}, 400, "voice", "one of alloy, ash"),
        ({"input": "a" * 4_097}, 400, "input", "at most 4096 characters"),
        ({"input": "…!"}, 400, "input", "there is nothing to read aloud"),
        ({"speed": 5}, 400, "speed", "4"),
        ({"model": "tts-9"}, 404, "model", "there is no speech model tts-9"),
        ({"model": "tts-1", "instructions": "slowly"}, 400, "instructions", "tts-1 takes no directions"),
        ({"model": "tts-1", "stream_format": "sse"}, 400, "stream_format", "tts-1 has no sse"),
        ({"language": "de"}, 400, "language", "there is no such field"),
    ],
)
async def test_what_cannot_be_spoken_is_refused_by_name(
    world: World, key: dict[str, str], body: dict[str, Any], status: int, param: str, why: str
) -> None:
    reply = await world.client.post(SPEECH, headers=key, json=ASKED | body)

    error = reply.json()["error"]
    assert (reply.status_code, error["type"], error["param"]) == (status, "invalid_request_error", param)
    assert why in error["message"]
    assert set((await world.rows()).values()) == {0}


async def test_where_no_provider_has_the_model_the_voices_of_the_installation_speak(
    world: World, key: dict[str, str]
) -> None:
    world.neighbours.answer = decline
    async with surfaces_where(world, LOCAL, NARRATION) as client:
        await client.post(SPEECH, headers=key, json=ASKED)
        directed = await client.post(SPEECH, headers=key, json=ASKED | {"instructions": "slowly"})

    assert last_request(world).spec.model is None
    assert (directed.status_code, directed.json()["error"]["param"]) == (400, "instructions")


async def test_in_production_without_the_provider_it_is_not_available(world: World, key: dict[str, str]) -> None:
    async with surfaces_where(world, LOCAL, NARRATION, production=True) as client:
        reply = await client.post(SPEECH, headers=key, json=ASKED)

    assert (reply.status_code, reply.json()["error"]["code"]) == (503, "provider_unavailable")

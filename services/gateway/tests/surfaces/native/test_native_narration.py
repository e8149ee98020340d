"""Narrations on the native surface: the text inline, as data or by key; its characters are the price."""

import base64
import hashlib
from typing import Any
from uuid import UUID

import pytest
from uuid_utils.compat import uuid7

from atelier_contracts import GenerationRequested
from atelier_storage.keys import input_key, upload_key

from ...support.neighbours import decline
from ...support.world import World

pytestmark = pytest.mark.stack
STORY = "The old keeper climbed the stairs. " * 100  # 3 500 characters


def last_request(world: World) -> GenerationRequested:
    message = world.neighbours.heard[-1].message
    assert isinstance(message, GenerationRequested)
    return message


def data(text: str) -> str:
    return f"data:text/plain;charset=utf-8;base64,{base64.b64encode(text.encode()).decode()}"


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


async def narrate(world: World, headers: dict[str, str], **body: Any) -> Any:
    return await world.client.post("/v1/generations", headers=headers, json={"kind": "narration"} | body)


@pytest.mark.parametrize("given", [{"text": STORY}, {"inputs": [{"role": "text", "data": data(STORY)}]}])
async def test_a_text_in_the_body_is_stored_and_priced_by_its_characters(world: World, given: dict[str, Any]) -> None:
    user, headers = await world.user()

    made = await narrate(world, headers, **given, language="de", audio_format="wav")

    asked = last_request(world)
    assert (made.status_code, asked.work.characters, asked.spec.prompt) == (201, len(STORY), None)
    assert (asked.spec.language, asked.spec.audio_format) == ("de", "wav")
    [text] = asked.spec.inputs
    assert text.key is not None and text.key == input_key("user", user, UUID(text.key.split("/")[3]), sha256(STORY))
    assert text.sha256 == sha256(STORY)
    assert (await world.container.objects.get(text.key, 10_000)).decode() == STORY
    row = await world.pool.fetchrow("SELECT * FROM files WHERE key = $1 AND generation_id IS NOT NULL", text.key)
    assert row is not None
    assert (row["category"], row["size_bytes"], row["width"]) == ("text", len(STORY), None)
    assert await world.pool.fetchval("SELECT price FROM generations") == 4
    assert STORY not in await world.pool.fetchval("SELECT request::text FROM generations")


async def test_an_uploaded_text_is_read_by_its_key(world: World) -> None:
    user, headers = await world.user()
    key = upload_key("user", user, uuid7(), "story.txt")
    await world.container.objects.put(key, STORY.encode(), "text/plain")
    body = {"inputs": [{"role": "text", "key": key}]}

    quote = await world.client.post("/v1/quotes", headers=headers, json={"kind": "narration"} | body)
    made = await narrate(world, headers, **body)

    assert (quote.json()["credits"], made.status_code) == (4, 201)
    [text] = last_request(world).spec.inputs
    assert (text.sha256, last_request(world).work.characters) == (sha256(STORY), len(STORY))


async def test_a_text_replaced_after_it_was_priced_is_not_what_is_read(world: World) -> None:
    user, headers = await world.user()
    key = upload_key("user", user, uuid7(), "story.txt")
    body = {"inputs": [{"role": "text", "key": key}]}
    await world.container.objects.put(key, b"Hi there.", "text/plain")
    quote = await world.client.post("/v1/quotes", headers=headers, json={"kind": "narration"} | body)

    await world.container.objects.put(key, STORY.encode(), "text/plain")
    made = [await narrate(world, headers, **body) for _ in range(2)]

    assert [quote.json()["credits"], *(reply.json()["credits"]["reserved"] for reply in made)] == [1, 1, 1]
    asked = [
        envelope.message for envelope in world.neighbours.heard if isinstance(envelope.message, GenerationRequested)
    ]
    assert {request.spec.inputs for request in asked} == {asked[0].spec.inputs}
    [text] = asked[0].spec.inputs
    assert text.key is not None and text.key != key
    assert await world.container.objects.get(text.key, 10_000) == b"Hi there."
    assert (text.sha256, asked[0].work.characters) == (sha256("Hi there."), len("Hi there."))
    receipt = await world.client.get(f"/v1/generations/{made[0].json()['id']}/receipt", headers=headers)
    assert receipt.json()["inputs"] == [{"category": "text", "checksum": f"sha256:{sha256('Hi there.')}"}]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "prompt"),
        ({"text": STORY, "prompt": "and more"}, "text"),
        ({"text": "x" * 50_001}, "text"),
        ({"text": "…"}, "text"),
        ({"text": STORY, "language": "tlh"}, "language"),
        ({"text": STORY, "audio_format": "aiff"}, "audio_format"),
        ({"inputs": [{"role": "text", "data": data("x" * 50_001)}]}, "inputs.0.data"),
        ({"inputs": [{"role": "text", "data": "data:text/html;base64,PGI+"}]}, "inputs.0.data"),
        ({"inputs": [{"role": "text", "data": "data:text/plain;base64,/w=="}]}, "inputs.0.data"),
        ({"inputs": [{"role": "text", "url": "https://cdn.shop-pictures.net/story.txt"}]}, "inputs.0.url"),
        ({"inputs": [{"role": "text", "key": f"users/{uuid7()}/uploads/{uuid7()}/a.txt"}]}, "inputs.0.key"),
        ({"kind": "image", "prompt": "a cat", "text": STORY}, "body"),
        ({"kind": "image", "prompt": "a cat", "language": "de"}, "body"),
    ],
)
async def test_what_cannot_be_read_aloud_is_400_and_leaves_nothing(
    world: World, body: dict[str, Any], field: str
) -> None:
    _, headers = await world.user()

    refused = await narrate(world, headers, **body)

    assert refused.status_code == 400 and field in refused.json()["detail"]
    assert set((await world.rows()).values()) == {0}
    assert await world.pool.fetchval("SELECT count(*) FROM files") == 0


async def test_a_text_of_a_declined_narration_is_removed(world: World) -> None:
    _, headers = await world.user()
    world.neighbours.answer = decline

    refused = await narrate(world, headers, text=STORY)

    assert refused.status_code == 402
    assert await world.pool.fetchval("SELECT count(*) FROM files") == 0

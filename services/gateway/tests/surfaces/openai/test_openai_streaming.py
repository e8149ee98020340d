"""Streams in OpenAI's shape on real servers: previews as they come, then the picture or an error that costs nothing."""

import asyncio
import base64
import json
from collections.abc import Callable, Sequence
from typing import Any

import httpx
import pytest

from atelier_contracts import GenerationRequested, GenerationSucceeded, Message
from atelier_storage.keys import preview_key

from ...support.neighbours import decline
from ...support.openai import GENERATE, PROMPT, failure_of, last_request, success_of
from ...support.world import World

pytestmark = pytest.mark.stack
STREAM = PROMPT | {"model": "gpt-image-2.6-flare", "stream": True}
Events = list[tuple[str, dict[str, Any]]]


@pytest.fixture
async def key(world: World) -> dict[str, str]:
    _, headers = await world.store()
    return headers


def events_of(reply: httpx.Response) -> Events:
    """(name, data) of each event; comments are passed over."""
    found = []
    for block in reply.text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.split("\n") if line and not line.startswith(":"))
        if fields:
            found.append((fields["event"], json.loads(fields["data"])))
    return found


async def put_previews(world: World, request: GenerationRequested, pictures: Sequence[bytes]) -> None:
    owner = request.owner
    for index, picture in enumerate(pictures):
        key = preview_key(owner.kind, owner.id, request.generation_id, index, "png")
        await world.container.objects.put(key, picture, "image/png")


async def stream(
    world: World,
    headers: dict[str, str],
    ends: Callable[[GenerationRequested], Message],
    previews: Sequence[bytes] = (),
    **body: Any,
) -> httpx.Response:
    """POSTs; the previews are stored, and then the session reports the end."""
    waiting = asyncio.create_task(world.client.post(GENERATE, headers=headers, json=STREAM | body))

    async def has_started() -> bool:
        return bool(world.neighbours.started)

    await world.until(has_started)
    request = last_request(world)
    await put_previews(world, request, previews)
    end = ends(request)
    if isinstance(end, GenerationSucceeded):
        await world.container.objects.put(end.outputs[0].key, b"final", "image/png")
    await world.neighbours.say(end)
    return await waiting


async def test_previews_come_in_their_order_and_then_the_picture_with_what_it_cost(
    world: World, key: dict[str, str]
) -> None:
    reply = await stream(world, key, success_of, [b"coarse", b"finer"], partial_images=2, user="u-1")

    events = events_of(reply)
    assert (reply.status_code, reply.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
    assert [name for name, _ in events] == ["image_generation.partial_image"] * 2 + ["image_generation.completed"]
    assert all(data["type"] == name for name, data in events)
    assert [base64.b64decode(data["b64_json"]) for _, data in events] == [b"coarse", b"finer", b"final"]
    assert [data.get("partial_image_index") for _, data in events] == [0, 1, None]
    for _, data in events:
        shown = (data["size"], data["quality"], data["output_format"], data["background"])
        assert shown == ("1024x1024", "medium", "png", "opaque") and isinstance(data["created_at"], int)
    last = events[-1][1]
    assert (last["usage"]["credits"], last["usage"]["total_tokens"], last["safety_identifier"]) == (10, 0, "u-1")
    assert last_request(world).spec.previews == 2


async def test_without_partial_images_there_is_one_event(world: World, key: dict[str, str]) -> None:
    reply = await stream(world, key, success_of, [b"never asked for"])

    assert [name for name, _ in events_of(reply)] == ["image_generation.completed"]


async def test_when_the_picture_fails_after_a_preview_the_stream_ends_with_openais_error(
    world: World, key: dict[str, str]
) -> None:
    reply = await stream(world, key, failure_of, [b"coarse"], partial_images=1)

    events = events_of(reply)
    assert events[-1][0] == "error"
    error = events[-1][1]["error"]
    assert (error["type"], error["code"]) == ("server_error", "provider_failed")
    assert "Nothing is charged" in error["message"]
    assert not [name for name, _ in events if name.endswith("completed")]


async def test_what_is_refused_before_it_begins_is_no_stream(world: World, key: dict[str, str]) -> None:
    world.neighbours.answer = decline

    reply = await world.client.post(GENERATE, headers=key, json=STREAM)

    assert (reply.status_code, reply.json()["error"]["code"]) == (429, "insufficient_quota")


async def test_with_a_key_a_repeated_stream_brings_the_same_picture(world: World, key: dict[str, str]) -> None:
    keyed = key | {"Idempotency-Key": "stream-1"}

    first = await stream(world, keyed, success_of)
    again = await world.client.post(GENERATE, headers=keyed, json=STREAM)

    assert first.headers["X-Generation-Id"] == again.headers["X-Generation-Id"]
    assert events_of(again)[-1] == events_of(first)[-1]
    assert len(world.neighbours.started) == 1

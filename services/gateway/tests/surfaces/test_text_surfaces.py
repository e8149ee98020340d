"""Every surface takes text as people write it, and none of them takes what is no text."""

import base64
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import httpx
import pytest

from atelier_contracts import GenerationRejected, GenerationRequested, Message

from ..support.form import FORM
from ..support.isolation import Headers, member, store, user
from ..support.onmodel import picture
from ..support.stories import STORY
from ..support.world import ADMIN, TRY_ON, World

pytestmark = pytest.mark.stack
Ask = Callable[[World, str], Awaitable[httpx.Response]]
AT_ONCE = {"Prefer": "respond-async"}
IMAGE = {"kind": "image", "size": "256x256"}
UNTOLD = "\\ud800"
"""Half of a surrogate pair, as JSON may hold it."""


async def native(world: World, text: str) -> httpx.Response:
    return await post(world, "/v1/generations", await store(world), IMAGE | {"prompt": text})


async def b2b(world: World, text: str) -> httpx.Response:
    return await post(world, "/api/v1/generation/create", await store(world), TRY_ON | {"prompt": text})


async def trpc(world: World, text: str) -> httpx.Response:
    body = {"imageUrls": TRY_ON["image_urls"], "prompt": text}
    return await post(world, "/api/trpc/tryOn.create", await user(world), body)


async def form(world: World, text: str) -> httpx.Response:
    return await post(world, "/api/generate", await user(world), FORM | {"customPrompt": text})


async def images(world: World, text: str) -> httpx.Response:
    return await post(world, "/api/ai/images", await member(world) | AT_ONCE, {"prompt": text})


async def openai(world: World, text: str) -> httpx.Response:
    return await post(world, "/v1/images/generations", await store(world), {"prompt": text})


async def multipart(world: World, text: str) -> httpx.Response:
    files = {"image": ("a.png", picture(), "image/png")}
    return await world.client.post("/v1/images/edits", headers=await store(world), data={"prompt": text}, files=files)


async def post(world: World, path: str, headers: Headers, body: Mapping[str, Any]) -> httpx.Response:
    raw = json.dumps(body).replace(json.dumps("\ud800")[1:-1], UNTOLD)
    return await world.client.post(path, headers=headers | {"Content-Type": "application/json"}, content=raw)


SURFACES: Mapping[str, Ask] = {ask.__name__: ask for ask in (native, b2b, trpc, form, images, openai, multipart)}


@pytest.mark.parametrize("surface", SURFACES)
async def test_a_prompt_of_several_lines_is_taken_from_every_system(world: World, surface: str) -> None:
    def answer(request: GenerationRequested) -> Message:
        asked.append(request)
        return GenerationRejected(
            generation_id=request.generation_id, reason="insufficient_credits", required=1, available=0
        )

    asked: list[GenerationRequested] = []
    world.neighbours.answer = answer

    await SURFACES[surface](world, "add a hat\r\nand\ra scarf\u202f!")

    assert "add a hat\nand\na scarf\u202f!" in (asked[0].spec.prompt or "")


@pytest.mark.parametrize("surface", SURFACES)
@pytest.mark.parametrize(
    "text", [" \r\n\u00a0", "a\x07b", "a\ud800b", "word " * 10_000], ids=["blank", "bell", "half", "long"]
)
async def test_what_is_no_prompt_is_refused_in_plain_words(world: World, surface: str, text: str) -> None:
    if surface == "multipart" and "\ud800" in text:
        text = "a\x80b"  # a form's text is bytes, which hold no half of a pair

    reply = await SURFACES[surface](world, text)

    assert reply.status_code == 400, reply.text
    assert "items" not in reply.text and "Input" not in reply.text
    assert set((await world.rows()).values()) == {0}


async def test_a_story_and_an_uploaded_text_may_come_from_windows(world: World) -> None:
    headers = await user(world)
    lines = "\ufeffOnce upon a time\r\nthere was\x0ca keeper."
    carried = f'data:text/plain;charset="UTF8";base64,{base64.b64encode(lines.encode()).decode()}'

    told = await post(world, "/api/stories", headers, STORY | {"title": "Où est Roger\u202f?", "text": lines[1:]})
    narrated = {"kind": "narration", "inputs": [{"role": "text", "data": carried}]}
    made = await post(world, "/v1/generations", headers, narrated)

    assert told.json()["text"] == "Once upon a time\nthere was\na keeper."
    assert told.json()["title"] == "Où est Roger\u202f?"
    assert made.status_code == 201, made.text
    message = world.neighbours.heard[-1].message
    assert isinstance(message, GenerationRequested)
    assert message.work.characters == len(told.json()["text"])
    assert await world.container.objects.get(message.spec.inputs[0].key or "", 1_000) == told.json()["text"].encode()


@pytest.mark.parametrize("path", ["/v1/uploads", "/api/v1/uploads"])
async def test_a_file_keeps_the_name_and_type_it_has_at_home(world: World, path: str) -> None:
    body = {"filename": "Screenshot at 9.41.00\u202fAM.jpg", "content_type": "IMAGE/JPG", "size_bytes": 3}

    offered = await post(world, path, await store(world), body)

    assert offered.status_code == 201, offered.text
    data = offered.json().get("data", offered.json())
    assert data["headers"]["Content-Type"] == "image/jpeg"
    assert data["key"].endswith("Screenshot-at-9.41.00-AM.jpg")


async def test_a_name_that_could_forge_a_line_is_no_name(world: World) -> None:
    replies = [
        await post(world, "/v1/admin/users", ADMIN, {"email": f"a{bad}@b.example"})
        for bad in ("\x00", "\x1b[31m", "\u2028", "\ud800")
    ]

    assert {reply.status_code for reply in replies} == {400}
    assert await world.pool.fetchval("SELECT count(*) FROM users") == 0


async def test_a_byte_order_mark_before_json_is_no_matter_and_another_encoding_is_named(world: World) -> None:
    headers = await store(world) | {"Content-Type": "application/json"}
    body = json.dumps(IMAGE | {"prompt": "a cat"})

    marked = await world.client.post("/v1/quotes", headers=headers, content=body.encode("utf-8-sig"))
    wide = await world.client.post("/v1/quotes", headers=headers, content=body.encode("utf-16"))

    assert marked.status_code == 200
    assert (wide.status_code, wide.json()["detail"]) == (400, "body: a JSON object in UTF-8 is required")


async def test_a_slash_at_the_end_leads_nowhere(world: World) -> None:
    """A redirect would be built from the Host header, and take the key along."""
    for path in ("/v1/generations/", "/api/v1/generation/create/", "/api/ai/images/", "/v1/images/generations/"):
        reply = await world.client.post(path, headers={"Host": "evil.example"}, json={})

        assert reply.status_code in (404, 405), path
        assert "Location" not in reply.headers

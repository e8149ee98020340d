"""OpenAI's shape on real servers: what its clients send and receive; the client itself: tests-e2e."""

import asyncio
import base64
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from atelier_contracts import (
    GenerationRequested,
    GenerationSucceeded,
    Message,
)
from atelier_gateway.generations.image_models import MODELS

from ...support.neighbours import decline
from ...support.openai import GENERATE, PROMPT, failure_of, last_request, success_of
from ...support.world import ADMIN, World

pytestmark = pytest.mark.stack


@pytest.fixture
async def key(world: World) -> dict[str, str]:
    """A store's key, sent as the client sends it."""
    _, headers = await world.store()
    return {"Authorization": f"Bearer {headers['X-API-Key']}"}


async def generate(
    world: World, headers: dict[str, str], ends: Callable[[GenerationRequested], Message], **body: Any
) -> httpx.Response:
    """POSTs, and while that waits the session reports the end."""
    waiting = asyncio.create_task(world.client.post(GENERATE, headers=headers, json=PROMPT | body))

    async def has_started() -> bool:
        return bool(world.neighbours.started)

    await world.until(has_started)
    await world.neighbours.say(ends(last_request(world)))
    return await waiting


async def test_pictures_come_as_urls_with_what_they_cost(world: World, key: dict[str, str]) -> None:
    reply = await generate(world, key, success_of, model="dall-e-3", n=2, style="vivid", quality="standard", user="u-1")

    body = reply.json()
    assert (reply.status_code, len(body["data"])) == (200, 2)
    assert all(picture["url"].startswith("http") for picture in body["data"])
    assert (body["size"], body["usage"]["credits"], body["usage"]["total_tokens"]) == ("1024x1024", 20, 0)
    assert isinstance(body["created"], int)
    assert (last_request(world).owner.kind, last_request(world).spec.model) == ("store", "dall-e-3")
    assert '"openai-owner";q=60;w=60' in reply.headers["RateLimit-Policy"]


@pytest.mark.parametrize(
    ("asked", "ways"),
    [
        ({}, {"url", "b64_json"}),
        ({"model": "dall-e-3"}, {"url", "b64_json"}),
        ({"model": "gpt-image-2"}, {"url", "b64_json"}),
        ({"model": "gpt-image-2", "response_format": "url"}, {"url"}),
        ({"model": "dall-e-3", "response_format": "b64_json"}, {"b64_json"}),
    ],
)
async def test_a_picture_comes_as_asked_and_both_ways_where_nothing_is_asked(
    world: World, key: dict[str, str], asked: dict[str, str], ways: set[str]
) -> None:
    """A stock client that cannot say which reads one of them whatever the model; the picture is paid for by then."""
    waiting = asyncio.create_task(world.client.post(GENERATE, headers=key, json=PROMPT | asked))

    async def has_started() -> bool:
        return bool(world.neighbours.started)

    await world.until(has_started)
    ended = success_of(last_request(world))
    assert isinstance(ended, GenerationSucceeded)
    await world.container.objects.put(ended.outputs[0].key, b"png", "image/png")
    await world.neighbours.say(ended)

    [picture] = (await waiting).json()["data"]
    assert set(picture) == ways
    assert picture.get("url", "http").startswith("http")
    assert base64.b64decode(picture.get("b64_json", "cG5n")) == b"png"


@pytest.mark.parametrize(
    ("asked", "size", "priced", "quality"),
    [
        ({}, "1024x1024", "1024x1024", "standard"),
        ({"model": "dall-e-2", "size": "256x256"}, "256x256", "256x256", "standard"),
        ({"model": "dall-e-3", "quality": "hd"}, "1024x1024", "1024x1024", "hd"),
        ({"model": "gpt-image-1.5", "size": "auto", "quality": "auto"}, "1024x1024", "1024x1024", "standard"),
        ({"model": "gpt-image-2", "size": "1536x1024", "quality": "high"}, "1536x1024", "1792x1024", "hd"),
        ({"model": "gpt-image-1", "size": "1024x1536", "quality": "low"}, "1024x1536", "1024x1792", "low"),
        ({"model": "gpt-image-2", "size": "1536x864"}, "1536x864", "1792x1024", "standard"),
        ({"model": "gpt-image-2.6-flare", "size": "704x1056"}, "704x1056", "1024x1024", "standard"),
        ({"model": "gpt-image-2.6-flare", "size": "864x1536", "quality": "low"}, "864x1536", "1024x1792", "low"),
        ({"model": "gpt-image-2", "size": "3840x2160", "quality": "high"}, "3840x2160", "3840x2160", "hd"),
        ({"size": "1440x2560", "quality": "max"}, "1440x2560", "1440x2560", "max"),
    ],
)
async def test_every_models_words_lead_to_the_same_tables(
    world: World, key: dict[str, str], asked: dict[str, str], size: str, priced: str, quality: str
) -> None:
    await generate(world, key, failure_of, **asked)

    spec, work = last_request(world).spec, last_request(world).work
    assert (spec.size, work.size, work.quality, spec.format) == (size, priced, quality, "png")


async def test_a_user_pays_for_themselves_and_a_member_for_their_workspace(world: World) -> None:
    user, headers = await world.user()
    body = {"name": "W", "member_ids": [str(user)]}
    workspace = (await world.client.post("/v1/admin/workspaces", headers=ADMIN, json=body)).json()["id"]

    await generate(world, headers, failure_of)
    assert (last_request(world).owner.kind, last_request(world).owner.id) == ("user", user)

    world.neighbours.started.clear()
    await generate(world, headers | {"X-Workspace-Id": workspace}, failure_of)
    assert (last_request(world).owner.kind, str(last_request(world).owner.id)) == ("workspace", workspace)


async def test_a_failure_is_a_server_error_that_says_why(world: World, key: dict[str, str]) -> None:
    reply = await generate(world, key, failure_of)

    assert (reply.status_code, reply.json()["error"]["code"]) == (503, "provider_failed")
    assert reply.json()["error"]["message"] == "It is ill. Nothing is charged."
    assert reply.json()["error"]["type"] == "server_error"


async def test_without_credits_it_is_a_quota_that_is_not_tried_again(world: World, key: dict[str, str]) -> None:
    world.neighbours.answer = decline

    reply = await world.client.post(GENERATE, headers=key, json=PROMPT)

    error = reply.json()["error"]
    assert (reply.status_code, error["type"], error["code"]) == (429, "insufficient_quota", "insufficient_quota")
    assert reply.headers["x-should-retry"] == "false"
    assert (await world.rows())["generations"] == 0


async def test_an_unknown_key_is_an_invalid_api_key(world: World) -> None:
    replies = [
        await world.client.post(GENERATE, headers=headers, json=PROMPT)
        for headers in ({}, {"Authorization": "Bearer sk-unknown"})
    ]

    for reply in replies:
        error = reply.json()["error"]
        assert (reply.status_code, error["type"], error["code"]) == (401, "invalid_request_error", "invalid_api_key")


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        ({"partial_images": 2}, 400, "partial_images"),
        ({"stream": True, "partial_images": 4}, 400, "partial_images"),
        ({"stream": True, "n": 2}, 400, "n"),
        ({"stream": True, "response_format": "url"}, 400, "response_format"),
        ({"prompt": ""}, 400, "prompt"),
        ({"n": 11}, 400, "n"),
        ({"size": "17x17"}, 400, "size"),
        ({"size": "1536x865"}, 400, "size"),
        ({"size": "3856x2144"}, 400, "size"),
        ({"size": "1536x864", "model": "chatgpt-image-latest"}, 400, "size"),
        ({"model": "dall-e-2", "size": "256x256", "quality": "hd"}, 400, "quality"),
        ({"style": "baroque"}, 400, "style"),
        ({"response_format": "jpeg"}, 400, "response_format"),
        ({"background": "transparent", "model": "imagen"}, 400, "background"),
        ({"background": "transparent", "model": "gpt-image-2", "output_format": "jpeg"}, 400, "background"),
        ({"output_compression": 50}, 400, "output_compression"),
        ({"output_compression": 101, "output_format": "webp"}, 400, "output_compression"),
        ({"frames": 3}, 400, "frames"),
        ({"model": "dall-e-9"}, 404, "model"),
    ],
)
async def test_what_we_do_not_do_is_refused_by_name(
    world: World, key: dict[str, str], body: dict[str, Any], status: int, param: str
) -> None:
    reply = await world.client.post(GENERATE, headers=key, json=PROMPT | body)

    error = reply.json()["error"]
    assert (reply.status_code, error["type"], error["param"]) == (status, "invalid_request_error", param)
    assert error["code"] == ("model_not_found" if status == 404 else "invalid_value")
    assert set((await world.rows()).values()) == {0}


async def test_the_models_are_listed_and_found_one_by_one(world: World, key: dict[str, str]) -> None:
    listed = (await world.client.get("/v1/models", headers=key)).json()
    one = await world.client.get("/v1/models/dall-e-3", headers=key)
    unknown = await world.client.get("/v1/models/gpt-99", headers=key)

    assert listed["object"] == "list" and {model["id"] for model in listed["data"]} == set(MODELS)
    assert one.json() in listed["data"] and one.json()["owned_by"] == "openai"
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "model_not_found")
    assert (await world.client.get("/v1/models")).json()["error"]["code"] == "invalid_api_key"


async def test_with_onmodel_the_list_is_seed_004s(world: World, key: dict[str, str]) -> None:
    """004.6, settled question 4."""
    _, user = await world.user()

    mannequins = await world.client.get("/v1/models?onmodel", headers=user)
    refused = await world.client.get("/v1/models?onmodel", headers={})

    assert mannequins.json()["success"] is True and mannequins.json()["models"]
    assert (refused.status_code, refused.json()["success"]) == (401, False)


async def test_the_same_key_twice_is_one_generation(world: World, key: dict[str, str]) -> None:
    keyed = key | {"Idempotency-Key": "k1"}

    first = await generate(world, keyed, success_of)
    again = await world.client.post(GENERATE, headers=keyed, json=PROMPT)

    assert (first.status_code, again.status_code) == (200, 200)
    assert again.headers["X-Generation-Id"] == first.headers["X-Generation-Id"]
    assert again.headers["Idempotency-Replayed"] == "true"
    assert len(world.neighbours.started) == 1


async def test_past_the_limit_it_is_a_rate_limit(world: World, key: dict[str, str]) -> None:
    replies = [await world.client.post(GENERATE, headers=key, json={}) for _ in range(61)]

    assert {reply.status_code for reply in replies[:60]} == {400}
    assert (replies[60].status_code, replies[60].json()["error"]["code"]) == (429, "rate_limit_exceeded")
    assert int(replies[60].headers["Retry-After"]) >= 1

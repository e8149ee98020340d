"""The tools as the official SDK's client sees them, in both eras of the protocol: prices, limits, keys, results."""

import asyncio
import json
from base64 import b64decode
from io import BytesIO
from typing import Any
from uuid import UUID, uuid4

import pytest
from mcp_types import AudioContent, CallToolResult, ImageContent, ResourceLink
from PIL import Image

from atelier_contracts import GenerationRequested, RenderProgressed, RenderStarted
from atelier_gateway.surfaces.mcp.results import CONTENT_BYTES_MAX

from ...support.event_streams import render_and_fail, until_row
from ...support.mcp import ERAS, IMAGE, PRICE, agent, error_code, grainy_png, success_with
from ...support.native import wait_until_projected
from ...support.neighbours import confirm_cancel
from ...support.world import World

pytestmark = pytest.mark.stack
LIMITED = IMAGE | {"max_credits": PRICE}


def keyed(**more: Any) -> dict[str, Any]:
    return LIMITED | {"idempotency_key": str(uuid4())} | more


def generations_asked(world: World) -> int:
    return sum(isinstance(envelope.message, GenerationRequested) for envelope in world.neighbours.heard)


async def create(client: Any, **more: Any) -> str:
    made = await client.call_tool("create_generation", keyed(**more))
    assert not made.is_error, made
    return str(made.structured_content["id"])


def jpeg_or_png(result: CallToolResult) -> list[ImageContent]:
    return [block for block in result.content if isinstance(block, ImageContent)]


@pytest.mark.parametrize("era", ERAS)
async def test_an_agent_quotes_creates_waits_and_gets_picture_and_receipt(world: World, era: str) -> None:
    store, headers = await world.store()
    async with agent(world, headers, era) as client:
        tools = [tool.name for tool in (await client.list_tools()).tools]
        quote = await client.call_tool("quote_generation", IMAGE)
        id_ = await create(client)
        await world.neighbours.say(await success_with(world, store, UUID(id_), (grainy_png(8, 9), "image/png", (8, 9))))
        result = await client.call_tool("get_result", {"id": id_, "wait_s": 10})
        world.neighbours.records[f"holds/{id_}"] = {"state": "captured", "credits": 3, "captured": 3, "postings": []}
        receipt = await client.call_tool("get_receipt", {"id": id_})

    assert tools == [
        *("quote_generation", "create_generation", "get_generation", "get_result", "get_receipt", "cancel_generation")
    ]
    assert quote.structured_content["credits"] == PRICE
    [picture] = jpeg_or_png(result)
    assert Image.open(BytesIO(b64decode(picture.data))).size == (8, 9)
    [link] = [block for block in result.content if isinstance(block, ResourceLink)]
    assert link.uri == result.structured_content["outputs"][0]["url"]
    assert json.loads(getattr(result.content[0], "text", "")) == result.structured_content
    assert receipt.structured_content["credits"]["captured"] == 3


@pytest.mark.parametrize("era", ERAS)
async def test_without_a_spend_limit_nothing_is_started_and_the_tool_says_so(world: World, era: str) -> None:
    _, headers = await world.store()
    before = await world.rows()
    async with agent(world, headers, era) as client:
        none = await client.call_tool("create_generation", IMAGE | {"idempotency_key": "one"})
        null = await client.call_tool("create_generation", IMAGE | {"idempotency_key": "two", "max_credits": None})

    for refused in (none, null):
        assert error_code(refused) == "invalid_request"
        said = json.loads(getattr(refused.content[1], "text", ""))["errors"]
        assert said == [
            {
                "field": "max_credits",
                "message": f"a spend limit is required; nothing was started or charged. This costs {PRICE} credits",
            }
        ]
    assert await world.rows() == before
    assert not world.neighbours.started


async def test_a_price_above_the_limit_is_refused_before_anything_is_held(world: World) -> None:
    _, headers = await world.store()
    before = await world.rows()
    async with agent(world, headers) as client:
        refused = await client.call_tool("create_generation", keyed(max_credits=PRICE - 1))

    assert error_code(refused) == "spend_limit_exceeded"
    problem = json.loads(getattr(refused.content[1], "text", ""))
    assert (problem["required"], problem["max_credits"]) == (PRICE, PRICE - 1)
    assert await world.rows() == before
    assert not world.neighbours.started


async def test_without_a_key_nothing_is_started(world: World) -> None:
    _, headers = await world.store()
    before = await world.rows()
    async with agent(world, headers) as client:
        for key in ({}, {"idempotency_key": ""}, {"idempotency_key": 7}, {"idempotency_key": "a b"}):
            refused = await client.call_tool("create_generation", LIMITED | key)
            assert error_code(refused) in ("invalid_request", "invalid_idempotency_key")

    assert await world.rows() == before


@pytest.mark.parametrize("era", ERAS)
async def test_a_repeated_call_is_one_generation(world: World, era: str) -> None:
    _, headers = await world.store()
    async with agent(world, headers, era) as client:
        call = keyed()
        answers = await asyncio.gather(*(client.call_tool("create_generation", call) for _ in range(20)))
        other = await client.call_tool("create_generation", call | {"prompt": "a dog"})

    assert len({answer.structured_content["id"] for answer in answers}) == 1
    assert error_code(other) == "idempotency_key_reused"
    assert len(world.neighbours.started) == 1


async def test_a_key_is_of_its_owner_and_the_same_as_on_the_native_surface(world: World) -> None:
    (_, headers), (_, others) = await world.store(), await world.store()
    call = keyed()
    async with agent(world, headers) as client, agent(world, others) as other:
        mine = (await client.call_tool("create_generation", call)).structured_content["id"]
        theirs = (await other.call_tool("create_generation", call)).structured_content["id"]
    body = {name: value for name, value in call.items() if name != "idempotency_key"}
    native = await world.client.post(
        "/v1/generations", headers=headers | {"Idempotency-Key": call["idempotency_key"]}, json=body
    )

    assert mine != theirs
    assert native.json()["id"] == mine


@pytest.mark.parametrize("tool", ["get_generation", "get_result", "get_receipt", "cancel_generation"])
async def test_another_owners_generation_is_answered_as_an_unknown_one(world: World, tool: str) -> None:
    (_, headers), (_, others) = await world.store(), await world.store()
    async with agent(world, headers) as client, agent(world, others) as other:
        id_ = await create(client)
        foreign = await other.call_tool(tool, {"id": id_})
        unknown = await other.call_tool(tool, {"id": str(uuid4())})
        malformed = await other.call_tool(tool, {"id": "../credits"})
        mine = await client.call_tool("get_generation", {"id": id_})

    assert foreign == unknown == malformed
    assert error_code(foreign) == "not_found"
    assert mine.structured_content["status"] == "queued"


@pytest.mark.parametrize("era", ERAS)
async def test_progress_is_reported_while_a_call_waits(world: World, era: str) -> None:
    _, headers = await world.store()
    heard: list[tuple[float, str | None]] = []

    async def note(progress: float, total: float | None, message: str | None) -> None:
        heard.append((progress, message))

    async with agent(world, headers, era) as client:
        id_ = await create(client)
        await wait_until_projected(world, UUID(id_), "queued")
        waiting = asyncio.create_task(
            client.call_tool("get_generation", {"id": id_, "wait_s": 30}, progress_callback=note)
        )
        await world.neighbours.say(RenderStarted(generation_id=UUID(id_), attempt=1))
        await world.neighbours.say(RenderProgressed(generation_id=UUID(id_), progress=50))
        await until_row(world, UUID(id_), "progress = 50")
        await asyncio.sleep(1.2)
        await render_and_fail(world, UUID(id_))
        ended = await waiting

    assert ended.structured_content["status"] == "failed"
    assert (50.0, "rendering") in heard
    assert [progress for progress, _ in heard] == sorted({progress for progress, _ in heard})


async def test_a_generation_that_failed_is_an_error_that_says_what_is_charged(world: World) -> None:
    _, headers = await world.store()
    async with agent(world, headers) as client:
        id_ = await create(client)
        await render_and_fail(world, UUID(id_))
        result = await client.call_tool("get_result", {"id": id_})

    assert error_code(result) == "refused"
    problem = json.loads(getattr(result.content[1], "text", ""))
    assert problem["detail"] == "no face; 0 credits are charged."
    assert problem["generation_id"] == id_


async def test_one_that_has_not_ended_is_shown_as_it_is(world: World) -> None:
    _, headers = await world.store()
    async with agent(world, headers) as client:
        id_ = await create(client)
        result = await client.call_tool("get_result", {"id": id_, "wait_s": 0})
        refused = await client.call_tool("get_result", {"id": id_, "wait_s": 51})

    assert (result.is_error, result.structured_content["status"]) == (False, "queued")
    assert not jpeg_or_png(result)
    assert error_code(refused) == "invalid_request"


async def test_a_large_picture_is_shown_smaller_and_linked_whole(world: World) -> None:
    store, headers = await world.store()
    async with agent(world, headers) as client:
        id_ = await create(client)
        large = grainy_png(1400, 700)
        files = [(large, "image/png", (1400, 700))] * 10
        await world.neighbours.say(await success_with(world, store, UUID(id_), *files))
        everything = await client.call_tool("get_result", {"id": id_, "wait_s": 10})
        last = await client.call_tool("get_result", {"id": id_, "output": 9})
        beyond = await client.call_tool("get_result", {"id": id_, "output": 10})

    shown = jpeg_or_png(everything)
    assert len(large) > CONTENT_BYTES_MAX
    assert 1 <= len(shown) < 10
    assert sum(len(b64decode(picture.data)) for picture in shown) <= CONTENT_BYTES_MAX
    assert Image.open(BytesIO(b64decode(shown[0].data))).size == (1024, 512)
    assert len([block for block in everything.content if isinstance(block, ResourceLink)]) == 10
    assert len(jpeg_or_png(last)) == 1
    assert error_code(beyond) == "invalid_request"


async def test_a_narration_comes_as_audio(world: World) -> None:
    store, headers = await world.store()
    async with agent(world, headers) as client:
        made = await client.call_tool(
            "create_generation",
            {"kind": "narration", "prompt": "once upon a time", "max_credits": 50, "idempotency_key": "tale"},
        )
        id_ = made.structured_content["id"]
        await world.neighbours.say(await success_with(world, store, UUID(id_), (b"mp3", "audio/mpeg", None)))
        result = await client.call_tool("get_result", {"id": id_, "wait_s": 10})

    [audio] = [block for block in result.content if isinstance(block, AudioContent)]
    assert (audio.mime_type, b64decode(audio.data)) == ("audio/mpeg", b"mp3")


async def test_a_cancelled_generation_costs_nothing_and_is_not_cancelled_twice(world: World) -> None:
    _, headers = await world.store()
    world.neighbours.stop = confirm_cancel
    async with agent(world, headers) as client:
        id_ = await create(client)
        await wait_until_projected(world, UUID(id_), "queued")
        cancelled = await client.call_tool("cancel_generation", {"id": id_})
        again = await client.call_tool("cancel_generation", {"id": id_})

    assert cancelled.structured_content["status"] == "cancelled"
    assert cancelled.structured_content["credits"]["captured"] == 0
    assert error_code(again) == "conflict"


async def test_a_body_that_is_not_valid_names_each_field_and_starts_nothing(world: World) -> None:
    _, headers = await world.store()
    before = await world.rows()
    async with agent(world, headers) as client:
        refused = await client.call_tool("create_generation", keyed(n=99, store_id="x"))

    problem = json.loads(getattr(refused.content[1], "text", ""))
    assert {error["field"] for error in problem["errors"]} == {"n", "store_id"}
    assert await world.rows() == before

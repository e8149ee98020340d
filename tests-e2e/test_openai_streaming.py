"""Stock clients read streams of pictures from the running system; a stream that brings no picture costs nothing."""

import asyncio
import base64
import io
import json
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import openai
import PIL.Image
import pytest
from openai import AsyncOpenAI

from atelier_local.demo import photos as demo_photos
from atelier_provider_simulator.control import Control
from whole_system import packages
from whole_system.shops import open_shop, open_store, read_books
from whole_system.waits import becomes
from whole_system.world import World

MODEL = "gpt-image-2.6-flare"
GRANTED, COST = 50, 10
SLOW = "outcome=succeed, delay_ms=60000"


@pytest.fixture
async def shop(world: World) -> AsyncIterator[tuple[str, AsyncOpenAI]]:
    """A store and the stock client that acts for it."""
    async with open_shop(world, GRANTED) as opened:
        yield opened


async def wait_until_free(world: World, owner: str) -> None:
    """Until everything of the owner was cancelled and nothing is charged or held."""

    async def states() -> list[str]:
        rows = await world.databases["session"].fetch("SELECT state FROM sagas WHERE owner_id = $1::uuid", owner)
        return [row["state"] for row in rows]

    await becomes(["cancelled"], states)
    await becomes((GRANTED, 0, 0), lambda: read_books(world, owner))


def simulated(how: str) -> dict[str, str]:
    return {"X-Atelier-Simulate": how}


@pytest.mark.parametrize("maker", ["openai", "local"])
async def test_pictures_on_the_way_are_streamed_and_then_the_picture(
    world: World, shop: tuple[str, AsyncOpenAI], provider_simulator: Control, maker: str
) -> None:
    """By the provider's own stream; and by the local composer, to which a request without a model fails over."""
    owner, client = shop
    if maker == "local":
        await provider_simulator.plan("openai", "out_of_quota")
    named: dict[str, Any] = {"model": MODEL} if maker == "openai" else {}

    stream = await client.images.generate(
        **named, prompt="mountains at sunset", size="1536x1024", stream=True, partial_images=3
    )
    events: list[Any] = [event async for event in stream]

    assert [event.type for event in events] == ["image_generation.partial_image"] * 3 + ["image_generation.completed"]
    assert [event.partial_image_index for event in events[:-1]] == [0, 1, 2]
    pictures = [PIL.Image.open(io.BytesIO(base64.b64decode(event.b64_json))) for event in events]
    assert {(picture.format, picture.size) for picture in pictures} == {("PNG", (1536, 1024))}
    assert len({picture.tobytes() for picture in pictures}) == 4
    assert (events[-1].size, events[-1].quality, events[-1].usage.credits) == ("1536x1024", "medium", 15)
    assert events[-1].made_by["provider"] == maker
    assert await read_books(world, owner) == (GRANTED - 15, 0, 15)


async def test_an_edit_is_streamed_in_its_format(world: World, shop: tuple[str, AsyncOpenAI]) -> None:
    owner, client = shop
    photo = ("me.png", demo_photos.person_photo(), "image/png")

    stream = await client.images.edit(
        model=MODEL,
        image=photo,
        prompt="by the sea",
        output_format="webp",
        size="1024x1024",
        stream=True,
        partial_images=1,
    )
    events: list[Any] = [event async for event in stream]

    assert [event.type for event in events] == ["image_edit.partial_image", "image_edit.completed"]
    assert {PIL.Image.open(io.BytesIO(base64.b64decode(event.b64_json))).format for event in events} == {"WEBP"}
    assert await read_books(world, owner) == (GRANTED - COST, 0, COST)


async def test_a_picture_that_fails_after_a_preview_ends_the_stream_with_an_error_and_costs_nothing(
    world: World, shop: tuple[str, AsyncOpenAI]
) -> None:
    owner, client = shop
    told = []

    with pytest.raises(openai.APIError) as failed:
        stream = await client.images.generate(
            model=MODEL, prompt="a lake", stream=True, partial_images=1,
            extra_headers=simulated("outcome=fail, delay_ms=2000"),
        )  # fmt: skip
        async for event in stream:
            told.append(event.type)

    assert told == ["image_generation.partial_image"]
    assert (failed.value.code, failed.value.type) == ("provider_failed", "server_error")
    assert await read_books(world, owner) == (GRANTED, 0, 0)


async def test_a_client_that_leaves_after_a_preview_pays_nothing(world: World, shop: tuple[str, AsyncOpenAI]) -> None:
    owner, client = shop

    stream = await client.images.generate(
        model=MODEL, prompt="a lake", stream=True, partial_images=1, extra_headers=simulated(SLOW)
    )
    async for event in stream:
        assert event.type == "image_generation.partial_image"
        await stream.close()
        break

    await wait_until_free(world, owner)


async def test_the_stock_node_client_reads_the_same_streams(world: World, tmp_path: Path) -> None:
    stores = {scenario: await open_store(world, GRANTED) for scenario in ("generate", "edit", "failure")}
    (tmp_path / "me.png").write_bytes(demo_photos.person_photo())
    order: dict[str, Any] = {"url": world.url, "model": MODEL, "photo": str(tmp_path / "me.png")}
    order |= {"keys": {scenario: key for scenario, (_, key) in stores.items()}}

    folder = packages.node_packages("node")
    said = json.loads(await asyncio.to_thread(packages.node, "openai-stream.mjs", json.dumps(order), cwd=folder))

    for scenario, name in (("generate", "image_generation"), ("edit", "image_edit")):
        partials = [[f"{name}.partial_image", "PNG", index] for index in (0, 1)]
        assert said[scenario]["made"] == [*partials, [f"{name}.completed", "PNG", COST]]
        assert await read_books(world, stores[scenario][0]) == (GRANTED - COST, 0, COST)
    error = said["failure"]["raised"]
    assert (error["name"], error["code"], error["type"]) == ("APIError", "provider_failed", "server_error")
    assert await read_books(world, stores["failure"][0]) == (GRANTED, 0, 0)


async def test_a_node_process_that_is_killed_after_a_preview_pays_nothing(world: World, tmp_path: Path) -> None:
    owner, key = await open_store(world, GRANTED)
    (tmp_path / "me.png").write_bytes(demo_photos.person_photo())
    order = {"url": world.url, "model": MODEL, "photo": str(tmp_path / "me.png"), "keys": {"hang": key}, "hang": True}
    node, folder = packages.NODE / "bin" / "node", packages.node_packages("node")

    process = await asyncio.create_subprocess_exec(
        node, "openai-stream.mjs", json.dumps(order), cwd=folder, stdout=asyncio.subprocess.PIPE, env=os.environ
    )
    assert process.stdout is not None
    async with asyncio.timeout(60):
        assert await process.stdout.readline() == b"image_generation.partial_image\n"
    process.send_signal(signal.SIGKILL)
    await process.wait()

    await wait_until_free(world, owner)

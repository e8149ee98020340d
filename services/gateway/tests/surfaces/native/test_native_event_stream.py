"""Following a generation as server-sent events: resumed, bounded, read by a stock library."""

import asyncio
import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from httpx_sse import ServerSentEvent, aconnect_sse

from atelier_contracts import GenerationCancelled
from atelier_gateway.surfaces.native import event_stream

from ...support.connection import Connection
from ...support.event_streams import render_and_fail
from ...support.native import create
from ...support.world import World

pytestmark = pytest.mark.stack
AT = datetime(2026, 1, 1, 12, tzinfo=UTC)


async def follow(world: World, headers: dict[str, str], generation: UUID, last_id: str | None = None) -> list[Any]:
    """(id, event, data) of all events of a stream until it ends."""
    resumed = {"Last-Event-ID": last_id} if last_id else {}
    answered = await world.client.get(f"/v1/generations/{generation}/events", headers=headers | resumed)
    assert answered.status_code == 200, answered.text
    assert answered.headers["content-type"].startswith("text/event-stream")
    told = []
    for block in answered.text.strip().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.split("\n") if not line.startswith(":"))
        if "data" in fields:
            told.append((fields.get("id"), fields["event"], json.loads(fields["data"])))
    return told


async def test_a_stream_tells_every_step_and_ends_with_the_generation(world: World) -> None:
    _, headers = await world.user()
    generation = await create(world, headers)
    following_it = asyncio.create_task(follow(world, headers, generation))

    await render_and_fail(world, generation)
    told = await following_it

    assert [name for _, name, _ in told] == ["queued", "rendering", "rendering", "failed"]
    assert [data["progress"] for _, _, data in told] == [0, 0, 50, 50]
    assert told[-1][2]["error"]["message"] == "no face" and told[-1][2]["credits"]["refunded"] == 1


async def test_a_stock_sse_library_finds_data_in_each_event_also_past_heartbeats(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_stream, "HEARTBEAT_S", 0.0)
    monkeypatch.setattr(event_stream, "LOOK_EVERY_S", 0.01)
    _, headers = await world.user()
    generation = await create(world, headers)
    following_it = asyncio.create_task(read_by_a_stock_library(world, headers, generation))

    await render_and_fail(world, generation)
    events = await following_it

    assert [event.event for event in events] == ["queued", "rendering", "rendering", "failed"]
    assert [event.json()["status"] for event in events] == [event.event for event in events]
    assert events[0].retry == event_stream.RETRY_MS


async def read_by_a_stock_library(world: World, headers: dict[str, str], generation: UUID) -> list[ServerSentEvent]:
    path = f"/v1/generations/{generation}/events"
    async with aconnect_sse(world.client, "GET", path, headers=headers) as source:
        return [event async for event in source.aiter_sse()]


async def test_a_heartbeat_ends_no_block(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_stream, "HEARTBEAT_S", 0.0)
    _, headers = await world.user()
    generation = await create(world, headers)
    following_it = asyncio.create_task(world.client.get(f"/v1/generations/{generation}/events", headers=headers))

    await render_and_fail(world, generation)
    text = (await following_it).text

    blocks = [[line for line in block.split("\n") if line] for block in text.split("\n\n") if block]
    assert ": still here" in text
    assert all(any(line.startswith("data: ") for line in block) for block in blocks), blocks


async def test_a_stream_goes_on_after_the_last_event_that_was_seen(world: World) -> None:
    _, headers = await world.user()
    generation = await create(world, headers)
    await render_and_fail(world, generation)
    whole = await follow(world, headers, generation)

    rest = await follow(world, headers, generation, whole[1][0])
    over = await world.client.get(
        f"/v1/generations/{generation}/events", headers=headers | {"Last-Event-ID": whole[-1][0]}
    )

    assert rest == whole[2:]
    assert (over.status_code, over.content) == (204, b"")


async def test_a_stream_of_events_that_are_forgotten_tells_how_it_ended(world: World) -> None:
    _, headers = await world.user()
    generation = await create(world, headers)
    await render_and_fail(world, generation)
    await world.pool.execute("DELETE FROM generation_events")

    told = await follow(world, headers, generation)

    assert [(id_, name) for id_, name, _ in told] == [(None, "failed")]


async def test_an_id_that_is_none_of_ours_is_400(world: World) -> None:
    _, headers = await world.user()
    generation = await create(world, headers)

    for strange in ("x", "-1", "9" * 19):
        refused = await world.client.get(
            f"/v1/generations/{generation}/events", headers=headers | {"Last-Event-ID": strange}
        )
        assert refused.status_code == 400


async def test_streams_are_bounded_and_say_that_they_live(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_stream, "HEARTBEAT_S", 0.0)
    monkeypatch.setattr(event_stream, "LOOK_EVERY_S", 0.05)
    _, headers = await world.user()
    generation = await create(world, headers)
    path = f"/v1/generations/{generation}/events"
    streams_max = world.container.settings.streams_of_owner_max
    streams = [Connection(world, path, headers, None) for _ in range(streams_max)]

    async def have_two_heartbeats() -> bool:
        return all(stream.text.count(": still here") >= 2 for stream in streams)

    await world.until(have_two_heartbeats)
    refused = await world.client.get(path, headers=headers)
    await world.neighbours.say(GenerationCancelled(generation_id=generation, refunded=1))
    await asyncio.gather(*(stream.task for stream in streams))

    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "5")
    assert all("event: cancelled" in stream.text for stream in streams)
    assert (await world.client.get(path, headers=headers)).status_code == 200

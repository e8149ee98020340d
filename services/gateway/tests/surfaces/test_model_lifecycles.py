"""Models that end, as clients see them: headers before, the successor and the lower price afterwards."""

import asyncio
from dataclasses import replace
from datetime import date
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from atelier_contracts import GenerationRequested, GenerationSucceeded, Message
from atelier_gateway.generations.model_notices import notice_headers
from atelier_gateway.surfaces import ROUTED

from ..support.native import get_view, wait_until_projected
from ..support.workspace import Team, team_of
from ..support.world import World

LAST_DAY, GONE = date(2026, 11, 30), date(2026, 12, 1)
HEADERS = {"Deprecation": "@1780358400", "Sunset": "Tue, 01 Dec 2026 00:00:00 GMT"}
SUCCESSOR = "gpt-image-2.6-flare"
ASKED: dict[str, Any] = {"prompt": "a cat", "model": "gpt-image-1.5"}


def test_the_headers_tell_both_days_and_only_of_models_that_end() -> None:
    assert notice_headers("gpt-image-1.5") == HEADERS
    assert notice_headers(SUCCESSOR) == notice_headers(None) == notice_headers("flux") == {}


def test_of_a_model_whose_announcement_is_not_known_it_is_deprecated_when_it_is_gone() -> None:
    assert notice_headers("gemini-2.5-flash-image") == {
        "Deprecation": "@1790899200",
        "Sunset": "Fri, 02 Oct 2026 00:00:00 GMT",
    }


def client_of(world: World, today: date) -> httpx.AsyncClient:
    """The surfaces as they are on that day."""
    app = FastAPI()
    for surface in ROUTED:
        app.include_router(surface.router(replace(world.container, today=lambda: today)))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://dated", timeout=30)


def success_of(request: GenerationRequested) -> Message:
    """By the successor, at OpenAI."""
    return GenerationSucceeded(
        generation_id=request.generation_id,
        outputs=(),
        delivered=1,
        captured=10,
        refunded=0,
        provider="openai",
        model=SUCCESSOR,
    )


def last_request(world: World) -> GenerationRequested:
    message = world.neighbours.heard[-1].message
    assert isinstance(message, GenerationRequested)
    return message


async def create_and_wait(
    world: World, client: httpx.AsyncClient, path: str, headers: dict[str, str]
) -> httpx.Response:
    """POSTs, and while that waits the session reports success."""
    waiting = asyncio.create_task(client.post(path, headers=headers, json=ASKED))

    async def has_started() -> bool:
        return bool(world.neighbours.started)

    await world.until(has_started)
    await world.neighbours.say(success_of(last_request(world)))
    return await waiting


@pytest.fixture
async def team(world: World) -> Team:
    return await team_of(world)


@pytest.mark.stack
@pytest.mark.parametrize(("today", "successor"), [(LAST_DAY, None), (GONE, SUCCESSOR)], ids=["its last day", "gone"])
@pytest.mark.parametrize("path", ["/v1/images/generations", "/api/ai/images"])
async def test_who_waits_is_told_of_the_end_the_successor_and_the_maker(
    world: World, team: Team, today: date, successor: str | None, path: str
) -> None:
    async with client_of(world, today) as client:
        reply = await create_and_wait(world, client, path, team.headers)

    body = reply.json() if path.startswith("/v1") else reply.json()["data"]
    assert reply.status_code == 200, reply.text
    assert {name: reply.headers.get(name) for name in HEADERS} == HEADERS
    assert (body["model"], body["successor"]) == ("gpt-image-1.5", successor)
    assert body["made_by"] == {"provider": "openai", "model": SUCCESSOR}
    assert last_request(world).spec.model == "gpt-image-1.5"


@pytest.mark.stack
async def test_reply_view_and_receipt_say_what_was_named_and_what_made_it(world: World, team: Team) -> None:
    async with client_of(world, GONE) as client:
        reply = await client.post("/v1/generations", headers=team.headers, json={"kind": "image", **ASKED})
    generation = last_request(world).generation_id
    await world.neighbours.say(success_of(last_request(world)))
    await wait_until_projected(world, generation, "succeeded")

    assert {name: reply.headers.get(name) for name in HEADERS} == HEADERS
    assert (reply.json()["model"], reply.json()["successor"], reply.json()["made_by"]) == (
        "gpt-image-1.5",
        SUCCESSOR,
        None,
    )
    receipt = await world.client.get(f"/v1/generations/{generation}/receipt", headers=team.headers)
    for told in (await get_view(world, team.headers, generation), receipt.json()):
        assert (told["model"], told["successor"]) == ("gpt-image-1.5", SUCCESSOR)
        assert told["made_by"] == {"provider": "openai", "model": SUCCESSOR}


@pytest.mark.stack
async def test_what_a_withdrawn_model_is_named_for_costs_the_lower_price(world: World, team: Team) -> None:
    small = ASKED | {"model": "dall-e-2", "size": "256x256"}
    async with client_of(world, GONE) as client:
        reply = await client.post("/v1/generations", headers=team.headers, json={"kind": "image", **small})

    assert reply.json()["credits"]["reserved"] == 3
    assert last_request(world).work.size == "256x256"


@pytest.mark.stack
async def test_the_list_of_models_says_when_each_ends(world: World, team: Team) -> None:
    listed = (await world.client.get("/v1/models", headers=team.headers)).json()["data"]
    one = await world.client.get("/v1/models/gpt-image-1-mini", headers=team.headers)

    ends = {model["id"]: (model["shutdown_date"], model["successor"]) for model in listed}
    assert ends["gpt-image-1-mini"] == ends["chatgpt-image-latest"] == ("2026-12-01", SUCCESSOR)
    assert ends["gemini-2.5-flash-image"] == ("2026-10-02", "gemini-3.1-flash-image")
    assert ends[SUCCESSOR] == ends["gemini-3.1-flash-lite-image"] == (None, None)
    assert {name: one.headers.get(name) for name in HEADERS} == HEADERS


@pytest.mark.stack
async def test_who_names_no_model_is_warned_of_none(world: World, team: Team) -> None:
    reply = await world.client.post("/v1/generations", headers=team.headers, json={"kind": "image", "prompt": "a cat"})

    assert "Deprecation" not in reply.headers and "Sunset" not in reply.headers
    assert (reply.json()["model"], reply.json()["successor"]) == (None, None)

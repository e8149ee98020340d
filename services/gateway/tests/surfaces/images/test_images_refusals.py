"""Seed 003 on real servers: who may request what, and how often; batches, where each has an outcome of its own."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from atelier_contracts import GenerationRejected, GenerationRequested, Message

from ...support.neighbours import admit
from ...support.workspace import ASYNC, PATH, PROMPT, Team, team_of
from ...support.world import World

pytestmark = pytest.mark.stack


@pytest.fixture
async def team(world: World) -> Team:
    return await team_of(world)


async def test_the_workspace_comes_from_the_header_or_the_body(team: Team) -> None:
    """003.1 workspace from X-Workspace-Id or body."""
    client, body = team.world.client, PROMPT | {"workspaceId": str(team.id)}

    in_body = await client.post(PATH, headers=team.token | ASYNC, json=body)
    missing = await client.post(PATH, headers=team.token, json=PROMPT)
    contradicting = await client.post(PATH, headers=team.headers, json=PROMPT | {"workspaceId": str(uuid4())})

    assert in_body.status_code == 202
    assert (missing.status_code, missing.json()["error"]["code"]) == (400, "WORKSPACE_REQUIRED")
    assert contradicting.status_code == 400
    assert missing.json()["error"]["details"]["errors"][0]["field"] == "workspaceId"


async def test_an_unknown_and_a_foreign_workspace_are_403_alike(team: Team) -> None:
    """003.4 Not a member."""
    other = await team_of(team.world)

    replies = [
        await team.ask({"X-Workspace-Id": workspace}) for workspace in (str(other.id), str(uuid4()), "not an id")
    ]

    assert {(reply.status_code, reply.content) for reply in replies} == {(403, replies[0].content)}
    assert replies[0].json()["error"]["code"] == "FORBIDDEN"
    assert (await team.world.rows())["generations"] == 0


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ({"prompt": ""}, "VALIDATION_ERROR", "prompt"),
        ({"prompt": "x" * 4_001}, "VALIDATION_ERROR", "prompt"),
        ({"prompt": None}, "VALIDATION_ERROR", "prompt"),
        ({"n": 0}, "VALIDATION_ERROR", "n"),
        ({"n": 11}, "VALIDATION_ERROR", "n"),
        ({"n": "2"}, "VALIDATION_ERROR", "n"),
        ({"provider": "acme"}, "VALIDATION_ERROR", "provider"),
        ({"model": "dall-e-9"}, "VALIDATION_ERROR", "model"),
        ({"size": "256x256"}, "INVALID_SIZE", "size"),
        ({"size": "1x1"}, "INVALID_SIZE", "size"),
        ({"model": "dall-e-2", "size": "512x512", "quality": "hd"}, "VALIDATION_ERROR", "quality"),
        ({"quality": "ultra"}, "VALIDATION_ERROR", "quality"),
        ({"style": "baroque"}, "VALIDATION_ERROR", "style"),
        ({"mask": "https://cdn.shop-pictures.net/mask.png"}, "VALIDATION_ERROR", "image"),
        ({"credits": 0}, "VALIDATION_ERROR", "credits"),
    ],
)
async def test_what_is_not_valid_is_400_naming_the_field(
    team: Team, body: dict[str, Any], code: str, field: str
) -> None:
    """003.1, 003.3, 003.4 Field-level messages; nothing is left behind."""
    reply = await team.ask(**body)

    error = reply.json()["error"]
    assert (reply.status_code, reply.json()["success"], error["code"]) == (400, False, code)
    assert error["details"]["errors"][0]["field"] == field
    assert set((await team.world.rows()).values()) == {0}


async def test_without_credits_the_answer_is_402_with_both_amounts(team: Team) -> None:
    """003.4 Credit errors show required and available."""
    team.world.neighbours.answer = lambda request: GenerationRejected(
        generation_id=request.generation_id, reason="insufficient_credits", required=20, available=5
    )

    reply = await team.ask(quality="hd")

    error = reply.json()["error"]
    assert (reply.status_code, error["code"]) == (402, "INSUFFICIENT_CREDITS")
    assert error["details"] == {"required": 20, "available": 5}
    assert (await team.world.rows())["generations"] == 0


async def test_without_a_valid_token_the_answer_is_401(team: Team) -> None:
    """003.4 Unauthorized; a store's key is no user."""
    _, store = await team.world.store()

    for headers in ({}, {"Authorization": "Bearer x"}, store):
        reply = await team.world.client.post(PATH, headers=headers, json=PROMPT)
        assert (reply.status_code, reply.json()["error"]["code"]) == (401, "UNAUTHORIZED")


async def test_the_sixty_first_request_in_a_minute_is_429(team: Team) -> None:
    """003.5 Per user; refused requests count; RateLimit headers say what is left."""
    first = await team.ask(ASYNC)
    await asyncio.gather(*(team.ask(n=0) for _ in range(59)))
    last = await team.ask(ASYNC)

    assert first.status_code == 202
    assert '"images-user";q=60;w=60' in first.headers["RateLimit-Policy"]
    assert '"images-workspace";q=1000;w=3600' in first.headers["RateLimit-Policy"]
    assert '"images-ip";q=100;w=60' in first.headers["RateLimit-Policy"]
    assert '"images-user";r=59' in first.headers["RateLimit"]
    assert (last.status_code, last.json()["error"]["code"]) == (429, "RATE_LIMIT_EXCEEDED")
    assert 1 <= int(last.headers["Retry-After"]) <= 60
    assert '"images-user";r=0' in last.headers["RateLimit"]


async def test_a_workspace_has_a_thousand_requests_an_hour_whoever_of_it_asks(team: Team) -> None:
    """003.5 Per workspace."""
    await team.ask(ASYNC)
    filled = """
        UPDATE rate_windows SET moments = array_fill(now(), ARRAY[1000]) WHERE key LIKE 'images-workspace:%'
    """
    await team.world.pool.execute(filled)

    refused = await team.ask(ASYNC)

    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "RATE_LIMIT_EXCEEDED")
    assert '"images-workspace";q=1000;w=3600' in refused.headers["RateLimit-Policy"]


async def test_an_address_has_a_hundred_requests_a_minute_whoever_asks(world: World) -> None:
    """003.5 Per IP."""
    teams = [await team_of(world) for _ in range(3)]
    here = {"X-Forwarded-For": "203.0.113.7"}

    replies = await asyncio.gather(*(teams[index % 3].ask(here, n=0) for index in range(102)))

    assert sorted(reply.status_code for reply in replies)[-3:] == [400, 429, 429]
    elsewhere = await teams[0].ask({"X-Forwarded-For": "203.0.113.8"}, n=0)
    assert elsewhere.status_code == 400


async def test_another_workspaces_id_is_answered_as_an_unknown_one(team: Team) -> None:
    """003.1, settled question 2."""
    id_ = (await team.ask(ASYNC)).json()["data"]["id"]
    other = await team_of(team.world)

    replies = [await other.read(wrong_id) for wrong_id in (id_, uuid4(), "x")]

    assert {(reply.status_code, reply.content) for reply in replies} == {(404, replies[0].content)}
    assert replies[0].json()["error"]["code"] == "NOT_FOUND"


async def test_a_batch_is_several_generations_each_with_its_own_outcome(team: Team) -> None:
    """003.7 Batch processing."""
    requests = [{"prompt": "a"}, {"prompt": "b", "n": 2}, {"prompt": "c", "quality": "hd"}]
    key = {"Idempotency-Key": "batch-1"}

    first = await team.world.client.post(f"{PATH}/batches", headers=team.headers | key, json={"requests": requests})
    again = await team.world.client.post(f"{PATH}/batches", headers=team.headers | key, json={"requests": requests})
    other = await team.world.client.post(f"{PATH}/batches", headers=team.headers | key, json={"requests": requests[1:]})

    items = first.json()["data"]["items"]
    assert (first.status_code, len({item["data"]["id"] for item in items})) == (202, 3)
    assert [item["data"]["credits"]["reserved"] for item in items] == [10, 20, 20]
    assert (again.content, other.status_code) == (first.content, 422)
    assert len(team.world.neighbours.started) == 3
    assert '"images-user";r=' in first.headers["RateLimit"]


async def test_a_batch_with_a_wrong_request_is_refused_as_a_whole(team: Team) -> None:
    """003.7, 003.4 The field is named as it stands in the batch; nothing is left behind."""
    wrong = {"requests": [{"prompt": "a"}, {"prompt": "b", "size": "1x1"}]}

    reply = await team.world.client.post(f"{PATH}/batches", headers=team.headers, json=wrong)

    error = reply.json()["error"]
    assert (reply.status_code, error["code"]) == (400, "INVALID_SIZE")
    assert error["details"]["errors"][0]["field"] == "requests.1.size"
    assert set((await team.world.rows()).values()) == {0}


@pytest.mark.parametrize(("paid", "status", "generations"), [(1, 202, 1), (0, 402, 0)])
async def test_a_batch_tells_which_of_it_could_not_be_paid(
    team: Team, paid: int, status: int, generations: int
) -> None:
    """003.7, 003.4 402 where not even one is admitted."""

    def answers(request: GenerationRequested) -> Message:
        if len(team.world.neighbours.started) <= paid:
            return admit(request)
        return GenerationRejected(
            generation_id=request.generation_id, reason="insufficient_credits", required=10, available=0
        )

    team.world.neighbours.answer = answers
    two = {"requests": [{"prompt": "a"}, {"prompt": "b"}]}

    reply = await team.world.client.post(f"{PATH}/batches", headers=team.headers, json=two)

    last = reply.json()["data"]["items"][1] if paid else reply.json()
    assert (reply.status_code, last["error"]["code"]) == (status, "INSUFFICIENT_CREDITS")
    assert (await team.world.rows())["generations"] == generations


@pytest.mark.usefixtures("short_waits")
async def test_an_outage_at_the_second_request_of_a_batch_hides_nothing_of_the_first(team: Team) -> None:
    """003.7 Each has an outcome of its own: what was admitted is charged, so the client needs its id."""

    def answers(request: GenerationRequested) -> Message:
        team.world.to_database.cut()
        return admit(request)

    team.world.neighbours.answer = answers

    reply = await team.world.client.post(
        f"{PATH}/batches", headers=team.headers, json={"requests": [{"prompt": "a"}, {"prompt": "b"}]}
    )
    await team.world.mend()

    first, second = reply.json()["data"]["items"]
    assert (reply.status_code, second["error"]["code"]) == (202, "SERVICE_UNAVAILABLE")
    assert str(await team.world.pool.fetchval("SELECT id FROM generations")) == first["data"]["id"]

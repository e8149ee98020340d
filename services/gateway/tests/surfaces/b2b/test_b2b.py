"""Seed 000, line by line: a store's virtual try-on over REST."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from atelier_contracts import GenerationFailed, GenerationRequested
from atelier_gateway.generations.try_on import DEFAULT_PROMPT

from ...support.world import CREATE, TRY_ON, World

pytestmark = pytest.mark.stack


async def test_a_key_in_either_header_gets_in_and_no_key_does_not(world: World) -> None:
    """000.1 ``Authorization: Bearer`` or ``X-API-Key``."""
    _, headers = await world.store()

    bearer = await world.client.post(CREATE, headers={"Authorization": f"Bearer {headers['X-API-Key']}"}, json=TRY_ON)
    named = await world.create(headers)
    nobody = await world.create({})

    assert (bearer.status_code, named.status_code, nobody.status_code) == (201, 201, 401)


@pytest.mark.parametrize("images", [[], ["https://cdn.example.net/a.png"] * 11, "https://cdn.example.net/a.png", None])
async def test_one_to_ten_pictures_are_required(world: World, images: Any) -> None:
    """000.2 ``image_urls`` 1..10, required."""
    _, headers = await world.store()

    refused = await world.create(headers, image_urls=images)

    assert refused.status_code == 400
    assert refused.json()["error"]["details"]["errors"][0]["field"].startswith("image_urls")


async def test_without_a_prompt_the_system_prompt_is_used(world: World) -> None:
    """000.2 ``prompt`` optional, default system prompt."""
    _, headers = await world.store()

    await world.create(headers)
    await world.create(headers, prompt="in the rain")

    prompts = [request.spec.prompt for request in _requests(world)]
    assert prompts == [DEFAULT_PROMPT, "in the rain"]


async def test_a_create_asks_for_one_credit_on_the_b2b_channel_of_its_store(world: World) -> None:
    """000.3 one try-on, channel b2b, the store's id, the session's id."""
    store, headers = await world.store()

    made = await world.create(headers)

    asked = _requests(world)[0]
    assert str(asked.generation_id) == made.json()["data"]["session_id"]
    assert (asked.channel, asked.owner.kind, asked.owner.id) == ("b2b", "store", store)
    assert (asked.work.kind, asked.work.n) == ("try_on", 1)


async def test_every_reply_has_the_envelope(world: World) -> None:
    """000.4 201 ``{"data": {...}, "error": null}``, errors ``{"data": null, "error": {code, message}}``."""
    _, headers = await world.store()

    made = await world.create(headers)
    replies = [
        await world.create({}),
        await world.create(headers, image_urls=[]),
        await world.client.get(f"/api/v1/generation/{uuid4()}", headers=headers),
        await world.client.get("/api/v1/nothing-here", headers=headers),
        await world.client.delete("/api/v1/generation/create", headers=headers),
    ]

    assert made.status_code == 201
    assert made.json() == {"data": {"session_id": made.json()["data"]["session_id"], "status": "queued"}, "error": None}
    for reply in replies:
        assert reply.json()["data"] is None
        assert {"code", "message"} <= reply.json()["error"].keys()


async def test_without_a_broker_nothing_is_written_and_the_answer_is_503(world: World) -> None:
    """000.5 broker not reachable: nothing stays charged, 503."""
    _, headers = await world.store()
    world.to_broker.cut()
    await world.until(lambda: _is_disconnected(world))
    before = await world.rows()

    refused = await world.create(headers)

    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "UNAVAILABLE")
    assert await world.rows() == before


async def test_a_session_that_failed_says_why_in_snake_case(world: World) -> None:
    """000.6 statuses ``queued | processing | completed | failed``, ``error_message`` when failed."""
    _, headers = await world.store()
    session = (await world.create(headers)).json()["data"]["session_id"]

    await world.neighbours.say(
        GenerationFailed(generation_id=UUID(session), outcome="failed", code="refused", reason="no person", refunded=1)
    )

    async def has_failed() -> bool:
        shown = (await world.client.get(f"/api/v1/generation/{session}", headers=headers)).json()["data"]
        return bool(shown["status"] == "failed" and shown["error_message"] == "no person")

    await world.until(has_failed)


async def test_another_stores_sessions_are_neither_shown_nor_listed(world: World) -> None:
    """000.7 another store's id answers exactly as an unknown id; every query filters by the store of the key."""
    _, mine = await world.store("mine")
    _, theirs = await world.store("theirs")
    session = (await world.create(theirs)).json()["data"]["session_id"]

    foreign = await world.client.get(f"/api/v1/generation/{session}", headers=mine)
    unknown = await world.client.get(f"/api/v1/generation/{uuid4()}", headers=mine)
    listed = await world.client.get("/api/v1/generation", headers=mine)

    assert (foreign.status_code, foreign.content) == (unknown.status_code, unknown.content)
    assert foreign.status_code == 404
    assert listed.json()["data"] == {"sessions": [], "next_cursor": None}


@pytest.mark.parametrize("smuggled", ["store_id", "session_id", "status", "credits", "price", "channel"])
async def test_what_a_client_may_not_say_is_refused(world: World, smuggled: str) -> None:
    """000.7 a client-sent store id is refused, never trusted."""
    _, headers = await world.store()

    refused = await world.create(headers, **{smuggled: str(uuid4())})

    assert refused.status_code == 400
    assert refused.json()["error"]["details"]["errors"][0]["field"] == smuggled


async def test_uploads_lie_under_the_stores_prefix(world: World) -> None:
    """000.8 ``stores/{store_id}/uploads/``, presigned PUT and GET for that key alone."""
    store, headers = await world.store()
    body = {"filename": "me.png", "content_type": "image/png", "size_bytes": 10}

    offered = await world.client.post("/api/v1/uploads", headers=headers, json=body)

    offer = offered.json()["data"]
    assert offered.status_code == 201
    assert offer.keys() == {"key", "upload_url", "method", "headers", "url", "expires_at"}
    assert offer["key"].startswith(f"stores/{store}/uploads/")
    assert offer["method"] == "PUT"
    assert offer["key"] in offer["upload_url"] and offer["key"] in offer["url"]


async def test_sessions_are_listed_newest_first_page_by_page(world: World) -> None:
    """000 (list) newest first, by cursor."""
    _, headers = await world.store()
    made = [(await world.create(headers)).json()["data"]["session_id"] for _ in range(3)]

    first = (await world.client.get("/api/v1/generation?limit=2", headers=headers)).json()["data"]
    rest = (
        await world.client.get(f"/api/v1/generation?limit=2&cursor={first['next_cursor']}", headers=headers)
    ).json()["data"]

    assert [s["session_id"] for s in first["sessions"] + rest["sessions"]] == made[::-1]
    assert rest["next_cursor"] is None


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=x", "cursor=abc", "limit=²"])
async def test_a_page_that_cannot_be_is_400(world: World, query: str) -> None:
    """000 (list) bad paging is a clear error."""
    _, headers = await world.store()

    refused = await world.client.get(f"/api/v1/generation?{query}", headers=headers)

    assert refused.status_code == 400
    assert refused.json()["error"]["details"]["errors"][0]["field"] == query.partition("=")[0]


def _requests(world: World) -> list[GenerationRequested]:
    """The messages that reached the session, in order."""
    return [e.message for e in world.neighbours.heard if isinstance(e.message, GenerationRequested)]


async def _is_disconnected(world: World) -> bool:
    return bool((await world.client.get("/health/ready")).json()["parts"]["broker"] != "ok")

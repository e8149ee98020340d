"""Seed 001 on real servers: stories are created, narrated, followed, listed and deleted."""

from uuid import UUID, uuid4

import pytest

from atelier_contracts import (
    Owner,
    RenderProgressed,
    RenderStarted,
)
from atelier_contracts.narration import LANGUAGES
from atelier_gateway.stories.store import as_user
from atelier_storage.keys import belongs_to

from ...support.stories import (
    GENERATIONS,
    STORIES,
    STORY,
    becomes,
    create_story,
    fail,
    get_narration,
    initiate,
    request_of,
    start_narration,
    succeed,
)
from ...support.world import World

pytestmark = pytest.mark.stack


async def test_a_story_is_narrated_from_its_stored_text_at_its_price(world: World) -> None:
    """001.1 `POST /api/story-generations {story_id}` → 202 {id, status: "pending", progress: 0}."""
    user, headers = await world.user()
    text = "Älter als 1 000 Zeichen. " * 41
    story = await create_story(world, headers, text=text, language="de")

    made = await initiate(world, headers, story)

    assert made.status_code == 202
    assert made.json() == {"id": made.json()["id"], "status": "pending", "progress": 0}
    request = request_of(world, UUID(made.json()["id"]))
    assert (request.channel, request.owner) == ("b2c", Owner(kind="user", id=user))
    assert (request.work.kind, request.work.characters) == ("narration", len(text))
    assert (request.spec.kind, request.spec.language, request.spec.audio_format) == ("narration", "de", "mp3")
    (reference,) = request.spec.inputs
    assert reference.role == "text" and reference.key and belongs_to(reference.key, "user", user)
    assert await world.container.objects.get(reference.key, 10_000) == text.encode()
    price = await world.pool.fetchval("SELECT price FROM generations WHERE id = $1", request.generation_id)
    assert price == 2


async def test_the_list_pages_filters_and_counts(world: World) -> None:
    """001.2 `GET /api/story-generations?page&pageSize(max 100)&status` → {data, meta: {page, pageSize, total}}."""
    user, headers = await world.user()
    story = await create_story(world, headers)
    first, second, third = [await start_narration(world, headers, story) for _ in range(3)]
    await succeed(world, user, second)
    await becomes(world, headers, second, "succeeded")

    async def ids(query: str) -> tuple[list[str], dict[str, int]]:
        body = (await world.client.get(f"{GENERATIONS}?{query}", headers=headers)).json()
        return [row["id"] for row in body["data"]], body["meta"]

    assert await ids("") == ([str(third), str(second), str(first)], {"page": 1, "pageSize": 10, "total": 3})
    assert await ids("page=2&pageSize=2") == ([str(first)], {"page": 2, "pageSize": 2, "total": 3})
    assert await ids("page=9") == ([], {"page": 9, "pageSize": 10, "total": 3})
    assert await ids("status=succeeded") == ([str(second)], {"page": 1, "pageSize": 10, "total": 1})
    assert await ids("status=pending&pageSize=1") == ([str(third)], {"page": 1, "pageSize": 1, "total": 2})
    assert await ids("status=failed") == ([], {"page": 1, "pageSize": 10, "total": 0})
    _, nobody = await world.user()
    empty = await world.client.get(GENERATIONS, headers=nobody)
    assert empty.json() == {"data": [], "meta": {"page": 1, "pageSize": 10, "total": 0}}


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("pageSize=101", "pageSize"),
        ("pageSize=0", "pageSize"),
        ("page=0", "page"),
        ("page=-1", "page"),
        ("page=99999999999999999999", "page"),
        ("page=x", "page"),
        ("status=done", "status"),
        ("status=", "status"),
    ],
)
async def test_a_malformed_query_is_a_validation_error(world: World, query: str, field: str) -> None:
    """001.2 pageSize has a maximum; 001.5 400 names what is wrong."""
    _, headers = await world.user()

    refused = await world.client.get(f"{GENERATIONS}?{query}", headers=headers)

    assert (refused.status_code, refused.json()["error"]) == (400, "Validation error")
    assert [detail["field"] for detail in refused.json()["details"]] == [field]


async def test_a_narration_is_followed_from_pending_to_its_audio(world: World) -> None:
    """001.3 `GET /api/story-generations/:id` → {id, story_id, status, progress, result_url}; progress is 0..100."""
    user, headers = await world.user()
    story = await create_story(world, headers)
    id_ = await start_narration(world, headers, story)
    assert (await get_narration(world, headers, id_)) == {
        "id": str(id_),
        "story_id": story,
        "status": "pending",
        "progress": 0,
        "result_url": None,
    }

    await world.neighbours.say(RenderStarted(generation_id=id_, attempt=1))
    await world.neighbours.say(RenderProgressed(generation_id=id_, progress=40))
    await becomes(world, headers, id_, "in_progress", 40)
    key = await succeed(world, user, id_)
    await becomes(world, headers, id_, "succeeded", 100)

    assert f"/{key}?" in (await get_narration(world, headers, id_))["result_url"]


async def test_a_failed_narration_has_no_result(world: World) -> None:
    """001.3 the statuses are pending, in_progress, succeeded, failed."""
    _, headers = await world.user()
    id_ = await start_narration(world, headers)

    await fail(world, id_)
    await becomes(world, headers, id_, "failed")

    assert (await get_narration(world, headers, id_))["result_url"] is None


async def test_only_what_has_ended_can_be_deleted(world: World) -> None:
    """001.4 `DELETE` → 204 if succeeded or failed, else 409, pending too."""
    user, headers = await world.user()
    story = await create_story(world, headers)
    made, failed, pending = [await start_narration(world, headers, story) for _ in range(3)]
    key = await succeed(world, user, made)
    await world.container.objects.put(key, b"mp3", "audio/mpeg")
    await fail(world, failed)
    await becomes(world, headers, made, "succeeded")
    await becomes(world, headers, failed, "failed")

    refusals = [await world.client.delete(f"{GENERATIONS}/{pending}", headers=headers)]
    await world.neighbours.say(RenderStarted(generation_id=pending, attempt=1))
    await becomes(world, headers, pending, "in_progress")
    refusals.append(await world.client.delete(f"{GENERATIONS}/{pending}", headers=headers))
    deleted = [await world.client.delete(f"{GENERATIONS}/{id_}", headers=headers) for id_ in (made, failed)]
    again = await world.client.delete(f"{GENERATIONS}/{made}", headers=headers)

    for refused in refusals:
        assert refused.status_code == 409
        assert refused.json() == {"error": "Cannot delete in-progress generation"}
    assert [(reply.status_code, reply.content) for reply in deleted] == [(204, b"")] * 2
    assert (again.status_code, again.json()) == (404, {"error": "Generation not found"})
    left = (await world.client.get(GENERATIONS, headers=headers)).json()
    assert [row["id"] for row in left["data"]] == [str(pending)]
    async with as_user(world.container.pool, user) as connection:
        logged = await connection.fetch("SELECT DISTINCT generation_id FROM generation_logs")
    assert [row["generation_id"] for row in logged] == [pending]


async def test_stories_are_told_listed_and_read_by_their_user(world: World) -> None:
    """001.7 stories come from `POST/GET /api/stories` (title, text, language), owned by the user."""
    _, headers = await world.user()
    made = await world.client.post(STORIES, headers=headers, json=STORY)
    second = await create_story(world, headers, title="Another")

    read = await world.client.get(f"{STORIES}/{made.json()['id']}", headers=headers)
    listed = (await world.client.get(f"{STORIES}?pageSize=1", headers=headers)).json()

    assert made.status_code == 201 and read.json() == made.json()
    assert {name: made.json()[name] for name in STORY} == STORY
    assert [story["id"] for story in listed["data"]] == [second]
    assert listed["meta"] == {"page": 1, "pageSize": 1, "total": 2}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"text": "a" * 50_001}, "text"),
        ({"text": ""}, "text"),
        ({"text": "…?!"}, "text"),
        ({"text": "a\u0000b"}, "text"),
        ({"title": "two\nlines"}, "title"),
        ({"title": "t" * 201}, "title"),
        ({"language": "tlh"}, "language"),
        ({"user_id": str(uuid4())}, "user_id"),
    ],
)
async def test_a_story_that_cannot_be_narrated_is_refused(world: World, changes: dict[str, str], field: str) -> None:
    """001.7 text of at most 50 000 characters, a declared language; an unknown one is 400."""
    _, headers = await world.user()

    refused = await world.client.post(STORIES, headers=headers, json={**STORY, **changes})

    assert (refused.status_code, refused.json()["error"]) == (400, "Validation error")
    assert [detail["field"] for detail in refused.json()["details"]] == [field]
    assert (await world.client.get(STORIES, headers=headers)).json()["meta"]["total"] == 0


@pytest.mark.parametrize("language", LANGUAGES)
async def test_every_declared_language_is_taken(world: World, language: str) -> None:
    """001.7 languages."""
    _, headers = await world.user()

    assert await create_story(world, headers, language=language, text="a" * 50_000 if language == "en" else "1, 2.")

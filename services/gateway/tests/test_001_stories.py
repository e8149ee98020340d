"""Seed 001 on real servers: stories and their narrations, line by line of its requirements."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from atelier_contracts import (
    Artefact,
    GenerationFailed,
    GenerationRequested,
    GenerationSucceeded,
    Owner,
    RenderProgressed,
    RenderStarted,
)
from atelier_contracts.narration import LANGUAGES
from atelier_gateway.limits import Rule
from atelier_storage.keys import artefact_key, belongs_to

from .neighbours import declined
from .world import ADMIN, Headers, World

pytestmark = pytest.mark.stack

STORIES, GENERATIONS = "/api/stories", "/api/story-generations"
STORY = {"title": "The lighthouse", "text": "The old keeper climbed the stairs. He lit the lamp.", "language": "en"}
HIDDEN = ("stories", "story_generations", "generation_logs")


async def told(world: World, headers: Headers, **changes: Any) -> str:
    """The id of a new story."""
    made = await world.client.post(STORIES, headers=headers, json={**STORY, **changes})
    assert made.status_code == 201, made.text
    return str(made.json()["id"])


async def initiate(world: World, headers: Headers, story: object, **more: str) -> httpx.Response:
    return await world.client.post(GENERATIONS, headers={**headers, **more}, json={"story_id": str(story)})


async def started(world: World, headers: Headers, story: str | None = None) -> UUID:
    """The id of a new narration."""
    made = await initiate(world, headers, story or await told(world, headers))
    assert made.status_code == 202, made.text
    return UUID(made.json()["id"])


async def seen(world: World, headers: Headers, id_: UUID) -> dict[str, Any]:
    reply = await world.client.get(f"{GENERATIONS}/{id_}", headers=headers)
    assert reply.status_code == 200, reply.text
    body: dict[str, Any] = reply.json()
    return body


async def becomes(world: World, headers: Headers, id_: UUID, status: str, progress: int | None = None) -> None:
    async def arrived() -> bool:
        view = await seen(world, headers, id_)
        return bool(view["status"] == status and progress in (None, view["progress"]))

    await world.until(arrived)


async def succeed(world: World, user: UUID, id_: UUID) -> str:
    """Ends a narration; the key of its audio."""
    key = artefact_key("user", user, id_, 0, "mp3")
    audio = Artefact(key=key, content_type="audio/mpeg", size=3, sha256="ab" * 32)
    await world.neighbours.say(
        GenerationSucceeded(
            generation_id=id_, outputs=(audio,), delivered=1, captured=1, refunded=0, provider="narration"
        )
    )
    return key


async def fail(world: World, id_: UUID) -> None:
    await world.neighbours.say(
        GenerationFailed(generation_id=id_, outcome="failed", code="provider_failed", reason="mute", refunded=1)
    )


def asked_of_session(world: World, id_: UUID) -> GenerationRequested:
    messages = [envelope.message for envelope in world.neighbours.heard]
    return next(m for m in messages if isinstance(m, GenerationRequested) and m.generation_id == id_)


async def test_a_story_is_narrated_from_its_stored_text_at_its_price(world: World) -> None:
    """001.1 `POST /api/story-generations {story_id}` → 202 {id, status: "pending", progress: 0}."""
    user, headers = await world.user()
    text = "Älter als 1 000 Zeichen. " * 41
    story = await told(world, headers, text=text, language="de")

    made = await initiate(world, headers, story)

    assert made.status_code == 202
    assert made.json() == {"id": made.json()["id"], "status": "pending", "progress": 0}
    request = asked_of_session(world, UUID(made.json()["id"]))
    assert (request.channel, request.owner) == ("b2c", Owner(kind="user", id=user))
    assert (request.work.kind, request.work.characters) == ("narration", len(text))
    assert (request.spec.kind, request.spec.language, request.spec.audio_format) == ("narration", "de", "mp3")
    (reference,) = request.spec.inputs
    assert reference.role == "text" and reference.key and belongs_to(reference.key, "user", user)
    assert await world.parts.objects.get(reference.key, 10_000) == text.encode()
    price = await world.pool.fetchval("SELECT price FROM generations WHERE id = $1", request.generation_id)
    assert price == 2


async def test_the_list_pages_filters_and_counts(world: World) -> None:
    """001.2 `GET /api/story-generations?page&pageSize(max 100)&status` → {data, meta: {page, pageSize, total}}."""
    user, headers = await world.user()
    story = await told(world, headers)
    first, second, third = [await started(world, headers, story) for _ in range(3)]
    await succeed(world, user, second)
    await becomes(world, headers, second, "succeeded")

    async def ids(query: str) -> tuple[list[str], dict[str, int]]:
        body = (await world.client.get(f"{GENERATIONS}?{query}", headers=headers)).json()
        return [one["id"] for one in body["data"]], body["meta"]

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
    story = await told(world, headers)
    id_ = await started(world, headers, story)
    assert (await seen(world, headers, id_)) == {
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

    assert f"/{key}?" in (await seen(world, headers, id_))["result_url"]


async def test_a_failed_narration_has_no_result(world: World) -> None:
    """001.3 the statuses are pending, in_progress, succeeded, failed."""
    _, headers = await world.user()
    id_ = await started(world, headers)

    await fail(world, id_)
    await becomes(world, headers, id_, "failed")

    assert (await seen(world, headers, id_))["result_url"] is None


async def test_only_what_has_ended_can_be_deleted(world: World) -> None:
    """001.4 `DELETE` → 204 if succeeded or failed, else 409, pending too."""
    user, headers = await world.user()
    story = await told(world, headers)
    made, failed, pending = [await started(world, headers, story) for _ in range(3)]
    key = await succeed(world, user, made)
    await world.parts.objects.put(key, b"mp3", "audio/mpeg")
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
    assert [one["id"] for one in left["data"]] == [str(pending)]
    async with world.parts.pool.acquire() as connection, connection.transaction():
        await connection.execute("SELECT set_config('atelier.tenant', $1, true)", str(user))
        logged = await connection.fetch("SELECT DISTINCT generation_id FROM generation_logs")
    assert [row["generation_id"] for row in logged] == [pending]


@pytest.mark.parametrize(("method", "path"), [("GET", STORIES), ("POST", STORIES), ("GET", f"{STORIES}/{uuid4()}"),
    ("GET", GENERATIONS), ("POST", GENERATIONS), ("GET", f"{GENERATIONS}/{uuid4()}"),
    ("DELETE", f"{GENERATIONS}/{uuid4()}")])  # fmt: skip
async def test_only_a_users_token_gets_in(world: World, method: str, path: str) -> None:
    """001.5 401 {"error": "Unauthorized"}."""
    _, store = await world.store()

    for headers in ({}, {"Authorization": "Bearer nonsense"}, store):
        refused = await world.client.request(method, path, headers=headers, json={})
        assert (refused.status_code, refused.json()) == (401, {"error": "Unauthorized"})


async def test_a_malformed_id_or_body_is_a_validation_error_with_details(world: World) -> None:
    """001.5 400 {"error": "Validation error", "details": […]}."""
    _, headers = await world.user()
    replies = [
        await world.client.get(f"{GENERATIONS}/7", headers=headers),
        await world.client.delete(f"{GENERATIONS}/7", headers=headers),
        await world.client.get(f"{STORIES}/7", headers=headers),
        await initiate(world, headers, "7"),
        await world.client.post(GENERATIONS, headers=headers, json={}),
        await world.client.post(GENERATIONS, headers=headers, json={"story_id": str(uuid4()), "user_id": "me"}),
        await world.client.post(GENERATIONS, headers=headers, content=b"{"),
        await initiate(world, headers, uuid4(), **{"Idempotency-Key": "two words"}),
    ]

    for reply in replies:
        assert (reply.status_code, reply.json()["error"]) == (400, "Validation error")
        assert reply.json()["details"]


async def test_what_is_not_owned_is_answered_as_what_is_not_there(world: World) -> None:
    """001.5 404 {"error": "Story not found"} / {"error": "Generation not found"}; not owned = not found."""
    _, headers = await world.user()
    story = await told(world, headers)
    id_ = await started(world, headers, story)
    _, stranger = await world.user()

    for unknown in (id_, uuid4()):
        for method in ("GET", "DELETE"):
            refused = await world.client.request(method, f"{GENERATIONS}/{unknown}", headers=stranger)
            assert (refused.status_code, refused.json()) == (404, {"error": "Generation not found"})
    for unknown_story in (story, uuid4()):
        read = await world.client.get(f"{STORIES}/{unknown_story}", headers=stranger)
        for refused in (read, await initiate(world, stranger, unknown_story)):
            assert (refused.status_code, refused.json()) == (404, {"error": "Story not found"})
    assert (await world.client.get(STORIES, headers=stranger)).json()["meta"]["total"] == 0


async def test_another_surfaces_generation_is_not_found_here(world: World) -> None:
    """001.5 a generation that narrates no story is no story generation."""
    _, headers = await world.user()
    made = await world.client.post(
        "/v1/generations", headers=headers, json={"kind": "narration", "prompt": "Good evening."}
    )
    assert made.status_code in (200, 201), made.text

    refused = await world.client.get(f"{GENERATIONS}/{made.json()['id']}", headers=headers)

    assert (refused.status_code, refused.json()) == (404, {"error": "Generation not found"})


async def test_what_fails_on_our_side_is_an_internal_server_error_that_leaves_nothing(world: World) -> None:
    """001.5 500 {"error": "Internal server error"}, for a broker or a database that is away."""
    _, headers = await world.user()
    story = await told(world, headers)
    before = await world.rows()

    world.to_broker.cut()
    without_broker = await initiate(world, headers, story)
    await world.mend()
    world.to_database.cut()
    without_database = await world.client.get(GENERATIONS, headers=headers)
    await world.mend()

    for refused in (without_broker, without_database):
        assert (refused.status_code, refused.json()) == (500, {"error": "Internal server error"})
    assert await world.rows() == before


async def test_without_credits_nothing_is_narrated(world: World) -> None:
    """001.5 no credits → 402 in this surface's shape; nothing is left behind."""
    user, headers = await world.user()
    story = await told(world, headers)
    world.neighbours.answer = declined

    refused = await initiate(world, headers, story)

    assert refused.status_code == 402
    assert refused.json() == {"error": "Insufficient credits", "details": [{"required": 1, "available": 0}]}
    assert (await world.client.get(GENERATIONS, headers=headers)).json()["meta"]["total"] == 0
    assert (await world.rows())["generations"] == 0
    async with world.parts.pool.acquire() as connection, connection.transaction():
        await connection.execute("SELECT set_config('atelier.tenant', $1, true)", str(user))
        assert await connection.fetchval("SELECT count(*) FROM story_generations") == 0


async def test_rows_are_seen_by_their_user_only_whatever_the_query(world: World) -> None:
    """001.6 row-level security: no tenant, no rows; another tenant, no rows; the app's role cannot switch it off."""
    user, headers = await world.user()
    await started(world, headers)
    pool = world.parts.pool

    async def counts(tenant: str | None) -> list[int]:
        async with pool.acquire() as connection, connection.transaction():
            if tenant is not None:
                await connection.execute("SELECT set_config('atelier.tenant', $1, true)", tenant)
            return [await connection.fetchval(f"SELECT count(*) FROM {table}") for table in HIDDEN]

    assert all(await counts(str(user)))
    for stranger in (None, "", str(uuid4())):
        assert await counts(stranger) == [0, 0, 0]
    states = await pool.fetch(
        "SELECT c.relrowsecurity AND c.relforcerowsecurity AS forced, pg_has_role(c.relowner, 'MEMBER') AS owned,"
        " r.rolbypassrls OR r.rolsuper AS exempt"
        " FROM pg_class c, pg_roles r WHERE c.relname = ANY($1::text[]) AND r.rolname = current_user",
        list(HIDDEN),
    )
    assert [tuple(row) for row in states] == [(True, False, False)] * 3


async def test_nobodys_generation_narrates_anothers_story_even_past_the_surface(world: World) -> None:
    """001.6 the foreign key holds the user too."""
    _, headers = await world.user()
    story = await told(world, headers)
    other, others_headers = await world.user()
    id_ = await started(world, others_headers)

    with pytest.raises(Exception, match="foreign key"):
        await world.parts.pool.execute(
            "INSERT INTO story_generations (id, user_id, story_id) VALUES ($1, $2, $3)", uuid4(), other, UUID(story)
        )
    assert (await seen(world, others_headers, id_))["status"] == "pending"


async def test_every_step_is_logged_once(world: World) -> None:
    """001.6 `generation_logs` has a row for each step, and none for other surfaces' generations."""
    user, headers = await world.user()
    id_ = await started(world, headers)
    _, store = await world.store()
    assert (await world.create(store)).status_code == 201

    await world.neighbours.say(RenderStarted(generation_id=id_, attempt=1))
    await becomes(world, headers, id_, "in_progress")
    for progress in (30, 30, 60):
        await world.neighbours.say(RenderProgressed(generation_id=id_, progress=progress))
        await becomes(world, headers, id_, "in_progress", progress)
    await succeed(world, user, id_)
    await becomes(world, headers, id_, "succeeded")

    async with world.parts.pool.acquire() as connection, connection.transaction():
        await connection.execute("SELECT set_config('atelier.tenant', $1, true)", str(user))
        rows = await connection.fetch("SELECT generation_id, step, progress FROM generation_logs ORDER BY id")
    assert {row["generation_id"] for row in rows} == {id_}
    assert [(row["step"], row["progress"]) for row in rows if row["step"] != "queued"] == [
        ("accepted", 0),
        ("rendering", 0),
        ("rendering", 30),
        ("rendering", 60),
        ("succeeded", 100),
    ]


async def test_initiations_are_limited_by_the_hour_and_only_accepted_ones_count(world: World) -> None:
    """001.6 per-user rate limit on initiation; settled 9: refused requests do not count."""
    user, headers = await world.user()
    story = await told(world, headers)
    _, other = await world.user()
    rule = Rule("story-generations", 60, 3_600)
    await initiate(world, headers, uuid4())
    world.neighbours.answer = declined
    await initiate(world, headers, story)
    world.neighbours.reset()
    accepted = await initiate(world, headers, story)
    assert accepted.headers["RateLimit"].startswith('"story-generations";r=59;')
    for _ in range(59):
        await world.parts.limits.record(rule, str(user))
    before = await world.rows()

    refused = await initiate(world, headers, story)

    assert (refused.status_code, refused.json()) == (429, {"error": "Too many requests"})
    assert 3_500 < int(refused.headers["Retry-After"]) <= 3_600
    assert await world.rows() == before
    assert (await initiate(world, other, await told(world, other))).status_code == 202


async def test_the_indexes_the_seed_asks_for_are_there(world: World) -> None:
    """001.6 indexes on user and story."""
    rows = await world.pool.fetch("SELECT indexdef FROM pg_indexes WHERE tablename = 'story_generations'")

    definitions = " ".join(row["indexdef"] for row in rows)

    assert "(user_id)" in definitions and "(story_id)" in definitions


async def test_stories_are_told_listed_and_read_by_their_user(world: World) -> None:
    """001.7 stories come from `POST/GET /api/stories` (title, text, language), owned by the user."""
    _, headers = await world.user()
    made = await world.client.post(STORIES, headers=headers, json=STORY)
    second = await told(world, headers, title="Another")

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

    assert await told(world, headers, language=language, text="a" * 50_000 if language == "en" else "1, 2.")


async def test_equal_concurrent_requests_with_one_key_are_one_narration(world: World) -> None:
    """Settled 6: Idempotency-Key, on both creating routes."""
    _, headers = await world.user()
    keyed = {**headers, "Idempotency-Key": "once"}
    first, again = [await world.client.post(STORIES, headers=keyed, json=STORY) for _ in range(2)]
    story = first.json()["id"]

    replies = await asyncio.gather(*(initiate(world, keyed, story) for _ in range(20)))
    replayed = await initiate(world, keyed, story)
    other = await initiate(world, keyed, await told(world, headers))

    assert first.content == again.content and again.headers["Idempotency-Replayed"] == "true"
    assert {reply.status_code for reply in replies} <= {202, 409}
    assert len({reply.json()["id"] for reply in [*replies, replayed] if reply.status_code == 202}) == 1
    assert (await world.rows())["generations"] == 1 and other.status_code == 422
    assert replayed.headers["RateLimit"].startswith('"story-generations";r=59;')


async def test_a_disabled_user_is_refused(world: World) -> None:
    """001.5 a disabled account is 403 in this surface's shape."""
    user, headers = await world.user()
    await world.client.patch(f"/v1/admin/users/{user}", headers=ADMIN, json={"disabled": True})

    refused = await world.client.get(GENERATIONS, headers=headers)

    assert (refused.status_code, refused.json()) == (403, {"error": "The account is disabled"})

"""Seed 001 on real servers: what it refuses, in the words of the seed, leaving nothing behind."""

from uuid import uuid4

import pytest

from atelier_gateway.stories.store import as_user

from ...support.neighbours import decline
from ...support.stories import GENERATIONS, STORIES, create_story, initiate, start_narration
from ...support.world import ADMIN, World

pytestmark = pytest.mark.stack
NOBODYS = "01890a5d-ac96-774b-bcce-b302099a8057"


@pytest.mark.parametrize(("method", "path"), [("GET", STORIES), ("POST", STORIES), ("GET", f"{STORIES}/{NOBODYS}"),
    ("GET", GENERATIONS), ("POST", GENERATIONS), ("GET", f"{GENERATIONS}/{NOBODYS}"),
    ("DELETE", f"{GENERATIONS}/{NOBODYS}")])  # fmt: skip
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
    story = await create_story(world, headers)
    id_ = await start_narration(world, headers, story)
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
    """001.5 500 {"error": "Internal server error"}, for a broker or a database that is unavailable."""
    _, headers = await world.user()
    story = await create_story(world, headers)
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
    story = await create_story(world, headers)
    world.neighbours.answer = decline

    refused = await initiate(world, headers, story)

    assert refused.status_code == 402
    assert refused.json() == {"error": "Insufficient credits", "details": [{"required": 1, "available": 0}]}
    assert (await world.client.get(GENERATIONS, headers=headers)).json()["meta"]["total"] == 0
    assert (await world.rows())["generations"] == 0
    async with as_user(world.container.pool, user) as connection:
        assert await connection.fetchval("SELECT count(*) FROM story_generations") == 0


async def test_a_disabled_user_is_refused(world: World) -> None:
    """001.5 a disabled account is 403 in this surface's shape."""
    user, headers = await world.user()
    await world.client.patch(f"/v1/admin/users/{user}", headers=ADMIN, json={"disabled": True})

    refused = await world.client.get(GENERATIONS, headers=headers)

    assert (refused.status_code, refused.json()) == (403, {"error": "The account is disabled"})

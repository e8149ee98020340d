"""Seed 001 on real servers: whose rows they are, what is logged, how often one may ask."""

import asyncio
from uuid import UUID, uuid4

import pytest

from atelier_contracts import (
    RenderProgressed,
    RenderStarted,
)
from atelier_gateway.stories.store import as_user

from ...support.neighbours import decline
from ...support.stories import (
    HIDDEN,
    STORIES,
    STORY,
    becomes,
    create_story,
    get_narration,
    initiate,
    start_narration,
    succeed,
)
from ...support.world import World

pytestmark = pytest.mark.stack


async def test_rows_are_seen_by_their_user_only_whatever_the_query(world: World) -> None:
    """001.6 row-level security: no tenant, no rows; another tenant, no rows; the app's role cannot switch it off."""
    user, headers = await world.user()
    await start_narration(world, headers)
    pool = world.container.pool

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
    story = await create_story(world, headers)
    other, others_headers = await world.user()
    id_ = await start_narration(world, others_headers)

    with pytest.raises(Exception, match="foreign key"):
        await world.container.pool.execute(
            "INSERT INTO story_generations (id, user_id, story_id) VALUES ($1, $2, $3)", uuid4(), other, UUID(story)
        )
    assert (await get_narration(world, others_headers, id_))["status"] == "pending"


async def test_every_step_is_logged_once(world: World) -> None:
    """001.6 `generation_logs` has a row for each step, and none for other surfaces' generations."""
    user, headers = await world.user()
    id_ = await start_narration(world, headers)
    _, store = await world.store()
    assert (await world.create(store)).status_code == 201

    await world.neighbours.say(RenderStarted(generation_id=id_, attempt=1))
    await becomes(world, headers, id_, "in_progress")
    for progress in (30, 30, 60):
        await world.neighbours.say(RenderProgressed(generation_id=id_, progress=progress))
        await becomes(world, headers, id_, "in_progress", progress)
    await succeed(world, user, id_)
    await becomes(world, headers, id_, "succeeded")

    async with as_user(world.container.pool, user) as connection:
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
    story = await create_story(world, headers)
    _, other = await world.user()
    await initiate(world, headers, uuid4())
    world.neighbours.answer = decline
    await initiate(world, headers, story)
    world.neighbours.reset()
    accepted = await initiate(world, headers, story)
    assert accepted.headers["RateLimit"].startswith('"story-generations";r=59;')
    await world.pool.execute(
        "INSERT INTO story_requests (id, user_id) SELECT gen_random_uuid(), $1 FROM generate_series(1, 59)", user
    )
    before = await world.rows()

    refused = await initiate(world, headers, story)

    assert (refused.status_code, refused.json()) == (429, {"error": "Too many requests"})
    assert 3_500 < int(refused.headers["Retry-After"]) <= 3_600
    assert await world.rows() == before
    assert (await initiate(world, other, await create_story(world, other))).status_code == 202


async def test_of_many_initiations_at_once_exactly_as_many_get_in_as_the_hour_holds(world: World) -> None:
    """001.6; settled 9: what was accepted counts, and no burst gets past it."""
    user, headers = await world.user()
    story = await create_story(world, headers)
    await world.pool.execute(
        "INSERT INTO story_requests (id, user_id) SELECT gen_random_uuid(), $1 FROM generate_series(1, 57)", user
    )

    replies = await asyncio.gather(*(initiate(world, headers, story) for _ in range(12)))

    assert sorted(reply.status_code for reply in replies) == [202] * 3 + [429] * 9
    assert (await world.rows())["generations"] == 3


async def test_the_indexes_the_seed_asks_for_are_there(world: World) -> None:
    """001.6 indexes on user and story."""
    rows = await world.pool.fetch("SELECT indexdef FROM pg_indexes WHERE tablename = 'story_generations'")

    definitions = " ".join(row["indexdef"] for row in rows)

    assert "(user_id)" in definitions and "(story_id)" in definitions


async def test_equal_concurrent_requests_with_one_key_are_one_narration(world: World) -> None:
    """Settled 6: Idempotency-Key, on both creating routes."""
    _, headers = await world.user()
    keyed = {**headers, "Idempotency-Key": "once"}
    first, again = [await world.client.post(STORIES, headers=keyed, json=STORY) for _ in range(2)]
    story = first.json()["id"]

    replies = await asyncio.gather(*(initiate(world, keyed, story) for _ in range(20)))
    replayed = await initiate(world, keyed, story)
    other = await initiate(world, keyed, await create_story(world, headers))

    assert first.content == again.content and again.headers["Idempotency-Replayed"] == "true"
    assert {reply.status_code for reply in replies} <= {202, 409}
    assert len({reply.json()["id"] for reply in [*replies, replayed] if reply.status_code == 202}) == 1
    assert (await world.rows())["generations"] == 1 and other.status_code == 422
    assert await world.pool.fetchval("SELECT count(*) FROM story_requests") == 1

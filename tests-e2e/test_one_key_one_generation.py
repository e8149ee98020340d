"""I10 over all surfaces: a hundred equal requests at once under one key are one generation, one hold, one render."""

import asyncio
from uuid import uuid4

import httpx
import pytest

from whole_system.surfaces import KEYED, build_create_requests
from whole_system.waits import eventually
from whole_system.world import World

AT_ONCE = 100
WATCHED = ("gateway.generations", "session.sagas", "billing.holds", "render.jobs")


@pytest.mark.parametrize("surface", KEYED)
async def test_a_hundred_equal_posts_with_one_key_are_one_generation(world: World, surface: str) -> None:
    create = (await build_create_requests(world))[surface]
    headers = {**create.headers, "Idempotency-Key": str(uuid4())}
    before = await world.rows()

    limits = httpx.Limits(max_connections=AT_ONCE)
    async with httpx.AsyncClient(base_url=world.url, timeout=60, limits=limits) as client:
        posts = (client.post(create.path, json=create.body, headers=headers) for _ in range(AT_ONCE))
        answers = await asyncio.gather(*posts)
        again = await client.post(create.path, json=create.body, headers=headers)

    first = [answer for answer in answers if answer.is_success]
    assert first, [(answer.status_code, answer.text) for answer in answers[:3]]
    # 503: more pictures to decode at once than the gateway takes; such a request has left nothing behind.
    others = [answer for answer in answers if answer.status_code not in (first[0].status_code, 409, 503)]
    assert not others, (others[0].status_code, others[0].text, others[0].headers)
    assert len({answer.content for answer in first}) == 1
    assert again.content == first[0].content
    await eventually(lambda: _one_more(world, before))


async def _one_more(world: World, before: dict[str, int]) -> bool | None:
    """Exactly one more row where a generation leaves one, once it has got everywhere."""
    now = await world.rows()
    more = {table: now[table] - before[table] for table in WATCHED}
    assert all(count <= 1 for count in more.values()), more
    return all(count == 1 for count in more.values()) or None

"""How much may be pending: a tenant's share, everybody's, and what a refused create leaves behind."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID, uuid4

import pytest

from atelier_contracts import GenerationCancelled, Owner
from atelier_gateway.generations import capacity
from atelier_gateway.generations.capacity import Capacity, Headroom
from atelier_gateway.web.problems import Problem

from ..support.world import World

pytestmark = pytest.mark.stack
ANN, BOB = Owner(kind="user", id=uuid4()), Owner(kind="store", id=uuid4())


async def _full(room: Capacity, owner: Owner) -> tuple[str, int, str]:
    with pytest.raises(Problem) as refused:
        await room.check("native", owner)
    return refused.value.code, refused.value.status, refused.value.headers["Retry-After"]


async def test_a_tenant_with_too_much_pending_is_refused_and_others_are_not(world: World) -> None:
    room = Capacity(world.pool, tenant_max=2, total_max=9)

    for _ in range(2):
        await room.check("native", ANN)

    assert await _full(room, ANN) == ("tenant_queue_full", 429, "10")
    await room.check("native", BOB)


async def test_when_all_have_too_much_pending_everybody_is_refused(world: World) -> None:
    room = Capacity(world.pool, tenant_max=2, total_max=3)

    for owner in (ANN, ANN, BOB):
        await room.check("native", owner)

    assert await _full(room, Owner(kind="workspace", id=uuid4())) == ("queue_full", 503, "30")


async def test_what_has_ended_makes_room(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capacity, "FRESH_S", 0.0)
    store, headers = await world.store()
    owner = Owner(kind="store", id=store)
    generations = [UUID((await world.create(headers)).json()["data"]["session_id"]) for _ in range(3)]
    room = Capacity(world.pool, tenant_max=3, total_max=9)

    full = await room.get_headroom("b2b", owner)
    await world.neighbours.say(GenerationCancelled(generation_id=generations[0], refunded=1))
    await world.until(lambda: _have_ended(world, 1))
    after = await room.get_headroom("b2b", owner)

    assert (full, after) == (Headroom(has_room=False, pending=3), Headroom(has_room=True, pending=2))
    assert await room.get_headroom("form", ANN) == Headroom(has_room=True, pending=0)


async def _have_ended(world: World, number: int) -> bool:
    return bool(await world.pool.fetchval("SELECT count(*) = $1 FROM generations WHERE rank = 9", number))


async def test_while_the_database_is_away_nothing_is_refused(world: World) -> None:
    class Nobody:
        async def fetch(self, *_: object) -> None:
            raise ConnectionRefusedError

    room = Capacity(Nobody(), tenant_max=1, total_max=1)  # type: ignore[arg-type]

    await room.check("native", ANN)
    assert (await room.get_headroom("native", ANN)).pending <= 1


@asynccontextmanager
async def _full_gateway(world: World, code: str) -> AsyncIterator[None]:
    """The running gateway, as if this were full."""

    async def check(surface: str, owner: Owner) -> None:
        raise capacity._refusal(code)

    room = world.container.capacity
    room.check, kept = check, room.check  # type: ignore[method-assign]
    try:
        yield
    finally:
        room.check = kept  # type: ignore[method-assign]


async def _all_sent(world: World) -> bool:
    return (await world.rows())["outbox"] == 0


@pytest.mark.parametrize(("code", "status"), [("tenant_queue_full", 429), ("queue_full", 503)])
async def test_a_create_past_the_capacity_leaves_nothing_and_a_repetition_is_still_answered(
    world: World, code: str, status: int
) -> None:
    _, headers = await world.store()
    first = await world.create(headers, key="once")
    await world.until(lambda: _all_sent(world))
    before = await world.rows()

    async with _full_gateway(world, code):
        refused = await world.create(headers, key="another")
        repeated = await world.create(headers, key="once")

    assert (refused.status_code, refused.json()["error"]["code"]) == (status, code.upper())
    assert int(refused.headers["Retry-After"]) > 0
    assert (repeated.status_code, repeated.content) == (first.status_code, first.content)
    assert await world.rows() == before


async def test_concurrent_creates_in_one_process_do_not_overshoot(world: World) -> None:
    room = Capacity(world.pool, tenant_max=5, total_max=100)
    await room.get_headroom("native", ANN)

    outcomes = await asyncio.gather(*(room.check("native", ANN) for _ in range(30)), return_exceptions=True)

    assert sum(outcome is None for outcome in outcomes) == 5

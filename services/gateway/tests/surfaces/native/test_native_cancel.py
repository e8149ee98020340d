"""Cancelling on the native surface: in every state, once a key, with the outcome for the credits in the reply."""

import asyncio
from uuid import UUID

import pytest

from atelier_contracts import (
    RenderStarted,
)
from atelier_gateway.generations import cancellation

from ...support.native import cancel, cancels_heard, create, fail, get_view, success, wait_until_status
from ...support.neighbours import ignore
from ...support.unreachable import session_unreachable
from ...support.world import World

pytestmark = pytest.mark.stack


async def test_cancelling_what_waits_or_is_rendered_gives_everything_back(world: World) -> None:
    _, headers = await world.user()
    waiting, rendering = await create(world, headers), await create(world, headers)
    await world.neighbours.say(RenderStarted(generation_id=rendering, attempt=1))
    await wait_until_status(world, headers, rendering, "rendering")

    for generation in (waiting, rendering):
        ended = await cancel(world, headers, generation)
        assert (ended.status_code, ended.json()["status"]) == (200, "cancelled")
        assert ended.json()["credits"] == {"reserved": 1, "captured": 0, "refunded": 1, "returned": 0}


async def test_cancelling_what_is_already_being_charged_tells_that_it_was_delivered(world: World) -> None:
    _, headers = await world.user()
    generation = await create(world, headers)
    world.neighbours.stop = lambda cancelled: success(cancelled.generation_id)

    ended = await cancel(world, headers, generation)

    assert (ended.status_code, ended.json()["status"]) == (200, "succeeded")
    assert ended.json()["credits"]["captured"] == 1


async def test_cancelling_what_takes_longer_to_stop_is_202(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cancellation, "END_S_MAX", 0.2)
    _, headers = await world.user()
    generation = await create(world, headers)
    world.neighbours.stop = ignore

    stopping = await cancel(world, headers, generation)

    assert (stopping.status_code, stopping.json()["status"]) == (202, "queued")
    assert cancels_heard(world, generation) == 1


async def _never_answered(world: World, headers: dict[str, str]) -> UUID:
    """A generation that was accepted although the saga has said nothing and the session's HTTP was unreachable."""
    world.neighbours.answer = ignore
    with session_unreachable(world):
        return await create(world, headers)


@pytest.mark.usefixtures("short_waits")
async def test_cancelling_what_the_saga_never_heard_of_withdraws_it(world: World) -> None:
    _, headers = await world.user()
    generation = await _never_answered(world, headers)

    ended = await cancel(world, headers, generation)

    assert (ended.status_code, ended.json()["status"]) == (200, "cancelled")
    assert ended.json()["credits"] == {"reserved": 0, "captured": 0, "refunded": 0, "returned": 0}
    assert cancels_heard(world, generation) == 0


@pytest.mark.usefixtures("short_waits")
async def test_cancelling_while_credits_are_being_reserved_goes_through_the_saga(world: World) -> None:
    _, headers = await world.user()
    generation = await _never_answered(world, headers)
    world.neighbours.verdict = "reserving"

    ended = await cancel(world, headers, generation)

    assert (ended.status_code, ended.json()["status"]) == (200, "cancelled")
    assert cancels_heard(world, generation) == 1


async def test_cancelling_what_has_ended_is_409_and_changes_nothing(world: World) -> None:
    _, headers = await world.user()
    generation = await create(world, headers)
    await fail(world, headers, generation)
    before = await get_view(world, headers, generation)

    refused = await cancel(world, headers, generation, "c1")

    assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
    assert await get_view(world, headers, generation) == before
    assert cancels_heard(world, generation) == 0
    assert (await world.rows())["idempotency"] == 0


async def test_a_cancel_is_said_again_by_its_key(world: World) -> None:
    _, headers = await world.user()
    generation, another = await create(world, headers), await create(world, headers)

    first = await cancel(world, headers, generation, "c1")
    again = await cancel(world, headers, generation, "c1")
    reused = await cancel(world, headers, another, "c1")
    malformed = await cancel(world, headers, another, "a b")

    assert (again.status_code, again.content) == (200, first.content)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert (reused.status_code, malformed.status_code) == (422, 400)
    assert cancels_heard(world, generation, another) == 1


async def test_a_cancel_under_way_holds_its_key(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cancellation, "END_S_MAX", 1.0)
    _, headers = await world.user()
    generation = await create(world, headers)
    world.neighbours.stop = ignore

    replies = await asyncio.gather(*(cancel(world, headers, generation, "c1") for _ in range(5)))

    assert sorted(reply.status_code for reply in replies) == [202, 409, 409, 409, 409]
    assert cancels_heard(world, generation) == 1

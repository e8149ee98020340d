"""Results whose client left before they could be sent: an automatic retry by the same owner receives them."""

import asyncio
import logging
from typing import Any
from uuid import UUID

import pytest

from atelier_contracts import GenerationRequested, GenerationSucceeded, Message
from atelier_gateway.generations import client_disconnects
from atelier_gateway.surfaces.openai import create as openai_create

from ..support.connection import BICYCLE, Connection, cancels, wait_until_started
from ..support.native import wait_until_projected
from ..support.neighbours import admit, ignore
from ..support.openai import GENERATE, success_of
from ..support.world import World

pytestmark = pytest.mark.stack
RETRY = {"x-stainless-retry-count": "1"}


async def _leave_a_result(world: World, headers: dict[str, str]) -> UUID:
    """A generation that succeeded while its client went, just when the answer was to be sent."""
    count = len(world.neighbours.started) + 1
    world.neighbours.stop = ignore
    connection = Connection(world, GENERATE, headers, BICYCLE)
    connection.close_at = 0
    generation = await wait_until_started(world, count)
    await world.neighbours.say(_success(world))
    await connection.task
    return generation


def _success(world: World) -> GenerationSucceeded:
    messages = [envelope.message for envelope in world.neighbours.heard]
    requests = [message for message in messages if isinstance(message, GenerationRequested)]
    ended = success_of(requests[-1])
    assert isinstance(ended, GenerationSucceeded)
    return ended


async def test_what_was_being_captured_is_given_to_the_clients_automatic_retry(world: World) -> None:
    _, headers = await world.store()
    generation = await _leave_a_result(world, headers)

    retry = Connection(world, GENERATE, headers | RETRY, BICYCLE)
    await retry.task

    assert (retry.status, len(retry.json["data"])) == (200, 1)
    assert retry.headers["x-generation-id"] == str(generation)
    assert world.neighbours.started == [generation]


@pytest.mark.parametrize(
    ("more", "body"),
    [({}, BICYCLE), ({"x-stainless-retry-count": "0"}, BICYCLE), (RETRY, BICYCLE | {"prompt": "a blue bicycle"})],
)
async def test_what_was_left_is_for_an_equal_retry_only(
    world: World, more: dict[str, str], body: dict[str, Any]
) -> None:
    _, headers = await world.store()
    await _leave_a_result(world, headers)

    another = Connection(world, GENERATE, headers | more, body)

    await wait_until_started(world, 2)
    another.close()
    await another.task


async def test_what_was_left_is_for_its_owner_only(world: World) -> None:
    _, headers = await world.store()
    _, others = await world.store("Another")
    await _leave_a_result(world, headers)

    another = Connection(world, GENERATE, others | RETRY, BICYCLE)

    await wait_until_started(world, 2)
    another.close()
    await another.task


async def test_what_was_left_is_given_once_and_kept_for_ten_minutes(world: World) -> None:
    _, headers = await world.store()
    await _leave_a_result(world, headers)
    first = Connection(world, GENERATE, headers | RETRY, BICYCLE)
    await first.task
    second = Connection(world, GENERATE, headers | RETRY, BICYCLE)
    await wait_until_started(world, 2)
    second.close()
    await second.task

    await world.pool.execute("DELETE FROM unclaimed_results")
    await _leave_a_result(world, headers)
    await world.pool.execute("UPDATE unclaimed_results SET left_at = now() - interval '601 seconds'")
    late = Connection(world, GENERATE, headers | RETRY, BICYCLE)
    await wait_until_started(world, 4)

    assert first.status == 200
    late.close()
    await late.task


async def test_a_retry_that_goes_too_leaves_the_result_for_the_next(world: World) -> None:
    _, headers = await world.store()
    generation = await _leave_a_result(world, headers)
    impatient = Connection(world, GENERATE, headers | RETRY, BICYCLE)
    impatient.close_at = 0
    await impatient.task

    retry = Connection(world, GENERATE, headers | RETRY, BICYCLE)
    await retry.task

    assert (retry.status, retry.headers["x-generation-id"]) == (200, str(generation))


async def test_a_retry_whose_first_try_was_cancelled_is_made_anew(world: World) -> None:
    _, headers = await world.store()
    impatient = Connection(world, GENERATE, headers, BICYCLE)
    first = await wait_until_started(world)
    await wait_until_projected(world, first, "queued")
    impatient.close()
    await impatient.task

    retry = Connection(world, GENERATE, headers | RETRY, BICYCLE)
    second = await wait_until_started(world, 2)
    await world.neighbours.say(_success(world))
    await retry.task

    assert second != first
    assert (retry.status, retry.headers["x-generation-id"]) == (200, str(second))


async def test_pictures_that_are_paid_for_and_cannot_be_read_now_are_given_to_the_retry(world: World) -> None:
    _, headers = await world.store()
    body = BICYCLE | {"response_format": "b64_json"}
    world.neighbours.stop = ignore
    first = Connection(world, GENERATE, headers, body)
    generation = await wait_until_started(world)
    ended = _success(world)
    await world.neighbours.say(ended)
    await first.task

    await world.container.objects.put(ended.outputs[0].key, b"png", "image/png")
    retry = Connection(world, GENERATE, headers | RETRY, body)
    await retry.task

    assert first.status == 503
    assert (retry.status, retry.headers["x-generation-id"]) == (200, str(generation))
    assert world.neighbours.started == [generation]


async def test_what_is_not_settled_in_time_is_stopped_or_given_to_the_retry(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, headers = await world.store()
    world.neighbours.stop = ignore
    with monkeypatch.context() as patch:
        patch.setattr(openai_create, "PAID_BACK_S_MAX", -float(openai_create.MADE_S_MAX))
        first = Connection(world, GENERATE, headers, BICYCLE)
        await first.task
    [generation] = world.neighbours.started

    await world.neighbours.say(_success(world))
    retry = Connection(world, GENERATE, headers | RETRY, BICYCLE)
    await retry.task

    assert (first.status, first.json["error"]["code"]) == (503, "outcome_unknown")
    assert [cancel.cause for cancel in cancels(world)] == ["client_gone"]
    assert (retry.status, retry.headers["x-generation-id"]) == (200, str(generation))
    assert world.neighbours.started == [generation]


async def test_a_database_that_goes_away_while_a_client_waits_does_not_take_what_it_pays_for(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    _, headers = await world.store()
    world.neighbours.stop = ignore
    monkeypatch.setattr(client_disconnects, "CANCEL_PAUSE_S", 0.05)
    monkeypatch.setattr(client_disconnects, "CANCEL_TRIES_MAX", 10_000)
    caplog.set_level(logging.WARNING, "atelier_gateway.generations.client_disconnects")

    def admit_and_cut(request: GenerationRequested) -> Message:
        world.to_database.cut()
        return admit(request)

    async def has_retried() -> bool:
        return "not written, retrying" in caplog.text or first.task.done()

    world.neighbours.answer = admit_and_cut
    first = Connection(world, GENERATE, headers, BICYCLE)
    await world.until(has_retried)
    world.to_database.mend()
    await asyncio.wait([first.task])
    [generation] = world.neighbours.started
    await world.neighbours.say(_success(world))
    retry = Connection(world, GENERATE, headers | RETRY, BICYCLE)
    await retry.task

    assert first.status == 503
    assert (retry.status, retry.headers["x-generation-id"]) == (200, str(generation))
    assert world.neighbours.started == [generation]

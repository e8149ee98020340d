"""Who gives up waiting pays nothing (settled 17): connections closed before their answer, on every waiting create."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import pytest
from prometheus_client import REGISTRY

from atelier_contracts import CancelRequested, GenerationRequested, GenerationSucceeded, Message
from atelier_gateway.generations import client_disconnects as callers
from atelier_gateway.projection.waiter import Waiting
from atelier_gateway.surfaces.openai import create as making

from . import onmodel
from .connection import Connection
from .native import IMAGE, projected, success
from .neighbours import cancelled, queued, silent
from .team import PATH, team_of
from .test_openai_shape import made
from .world import World

pytestmark = pytest.mark.stack
GENERATE = "/v1/images/generations"
BICYCLE = {"prompt": "a red bicycle", "model": "dall-e-3"}
RETRY = {"x-stainless-retry-count": "1"}

Wait = Callable[[World, dict[str, str]], Awaitable[Connection]]


async def _openai(world: World, more: dict[str, str]) -> Connection:
    _, headers = await world.store()
    return Connection(world, GENERATE, headers | more, BICYCLE)


async def _images(world: World, more: dict[str, str]) -> Connection:
    return Connection(world, PATH, (await team_of(world)).headers | more, {"prompt": "a red bicycle"})


async def _on_model(world: World, more: dict[str, str]) -> Connection:
    _, headers = await world.user()
    return Connection(world, "/v1/generate?onmodel", headers | more, onmodel.body())


async def _flat_lay(world: World, more: dict[str, str]) -> Connection:
    _, headers = await world.user()
    body = onmodel.body()
    del body["modelId"]
    return Connection(world, "/v1/generate?flatlay", headers | more, body)


async def _native(world: World, more: dict[str, str]) -> Connection:
    _, headers = await world.user()
    return Connection(world, "/v1/generations", headers | {"Prefer": "wait=20"} | more, IMAGE)


every_waiting_create = pytest.mark.parametrize("wait", [_openai, _images, _on_model, _flat_lay, _native])


async def started(world: World, count: int = 1) -> UUID:
    """The generation that the session heard of last, once there are so many."""

    async def heard() -> bool:
        return len(world.neighbours.started) == count

    await world.until(heard)
    return world.neighbours.started[-1]


def cancels(world: World) -> list[CancelRequested]:
    """What the session was asked to cancel."""
    messages = (envelope.message for envelope in world.neighbours.heard)
    return [message for message in messages if isinstance(message, CancelRequested)]


@every_waiting_create
async def test_a_client_that_goes_while_it_waits_has_its_generation_cancelled(world: World, wait: Wait) -> None:
    connection = await wait(world, {})
    generation = await started(world)
    await projected(world, generation, "queued")

    connection.close()
    await connection.task

    await projected(world, generation, "cancelled")
    assert cancels(world) == [CancelRequested(generation_id=generation, cause="client_gone")]
    assert connection.sent == []


@every_waiting_create
async def test_a_client_that_goes_before_it_is_admitted_has_its_generation_cancelled(world: World, wait: Wait) -> None:
    world.neighbours.answer = silent
    connection = await wait(world, {})
    generation = await started(world)

    connection.close()
    request = world.neighbours.heard[-1].message
    assert isinstance(request, GenerationRequested)
    await world.neighbours.say(queued(request), (request.reply_to,) if request.reply_to else ())
    await connection.task

    await projected(world, generation, "cancelled")
    assert [cancel.cause for cancel in cancels(world)] == ["client_gone"]


@every_waiting_create
async def test_with_a_key_a_client_can_go_and_its_generation_goes_on(world: World, wait: Wait) -> None:
    connection = await wait(world, {"Idempotency-Key": "k-1"})
    generation = await started(world)
    await projected(world, generation, "queued")

    connection.close()
    await world.neighbours.say(success(generation))
    await connection.task

    await projected(world, generation, "succeeded")
    assert cancels(world) == []


async def test_a_client_that_does_not_wait_can_go(world: World) -> None:
    _, headers = await world.user()
    connection = Connection(world, "/v1/generations", headers, IMAGE)
    connection.close_at = 0

    await connection.task

    await projected(world, await started(world), "queued")
    assert cancels(world) == []


async def _left(world: World, headers: dict[str, str]) -> UUID:
    """A generation that succeeded while its client went, just when the answer was to be sent."""
    count = len(world.neighbours.started) + 1
    world.neighbours.stop = silent
    connection = Connection(world, GENERATE, headers, BICYCLE)
    connection.close_at = 0
    generation = await started(world, count)
    await world.neighbours.say(_success(world))
    await connection.task
    return generation


def _success(world: World) -> GenerationSucceeded:
    requests = [one.message for one in world.neighbours.heard if isinstance(one.message, GenerationRequested)]
    ended = made(requests[-1])
    assert isinstance(ended, GenerationSucceeded)
    return ended


async def test_what_was_being_captured_is_given_to_the_clients_automatic_retry(world: World) -> None:
    _, headers = await world.store()
    generation = await _left(world, headers)

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
    await _left(world, headers)

    another = Connection(world, GENERATE, headers | more, body)

    await started(world, 2)
    another.close()
    await another.task


async def test_what_was_left_is_for_its_owner_only(world: World) -> None:
    _, headers = await world.store()
    _, others = await world.store("Another")
    await _left(world, headers)

    another = Connection(world, GENERATE, others | RETRY, BICYCLE)

    await started(world, 2)
    another.close()
    await another.task


async def test_what_was_left_is_given_once_and_kept_for_ten_minutes(world: World) -> None:
    _, headers = await world.store()
    await _left(world, headers)
    first = Connection(world, GENERATE, headers | RETRY, BICYCLE)
    await first.task
    second = Connection(world, GENERATE, headers | RETRY, BICYCLE)
    await started(world, 2)
    second.close()
    await second.task

    await world.pool.execute("DELETE FROM unclaimed_results")
    await _left(world, headers)
    await world.pool.execute("UPDATE unclaimed_results SET left_at = now() - interval '601 seconds'")
    late = Connection(world, GENERATE, headers | RETRY, BICYCLE)
    await started(world, 4)

    assert first.status == 200
    late.close()
    await late.task


async def test_a_retry_that_goes_too_leaves_the_result_for_the_next(world: World) -> None:
    _, headers = await world.store()
    generation = await _left(world, headers)
    impatient = Connection(world, GENERATE, headers | RETRY, BICYCLE)
    impatient.close_at = 0
    await impatient.task

    retry = Connection(world, GENERATE, headers | RETRY, BICYCLE)
    await retry.task

    assert (retry.status, retry.headers["x-generation-id"]) == (200, str(generation))


async def test_a_retry_whose_first_try_was_cancelled_is_made_anew(world: World) -> None:
    _, headers = await world.store()
    impatient = Connection(world, GENERATE, headers, BICYCLE)
    first = await started(world)
    await projected(world, first, "queued")
    impatient.close()
    await impatient.task

    retry = Connection(world, GENERATE, headers | RETRY, BICYCLE)
    second = await started(world, 2)
    await world.neighbours.say(_success(world))
    await retry.task

    assert second != first
    assert (retry.status, retry.headers["x-generation-id"]) == (200, str(second))


async def test_pictures_that_are_paid_for_and_cannot_be_read_now_are_given_to_the_retry(world: World) -> None:
    _, headers = await world.store()
    body = BICYCLE | {"response_format": "b64_json"}
    world.neighbours.stop = silent
    first = Connection(world, GENERATE, headers, body)
    generation = await started(world)
    ended = _success(world)
    await world.neighbours.say(ended)
    await first.task

    await world.parts.objects.put(ended.outputs[0].key, b"png", "image/png")
    retry = Connection(world, GENERATE, headers | RETRY, body)
    await retry.task

    assert first.status == 503
    assert (retry.status, retry.headers["x-generation-id"]) == (200, str(generation))
    assert world.neighbours.started == [generation]


async def test_what_is_not_settled_in_time_is_stopped_or_given_to_the_retry(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, headers = await world.store()
    world.neighbours.stop = silent
    with monkeypatch.context() as patch:
        patch.setattr(making, "PAID_BACK_S_MAX", -float(making.MADE_S_MAX))
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
    world.neighbours.stop = silent
    monkeypatch.setattr(callers, "CANCEL_PAUSE_S", 0.05)
    monkeypatch.setattr(callers, "CANCEL_TRIES_MAX", 10_000)
    caplog.set_level(logging.WARNING, "atelier_gateway.generations.client_disconnects")

    def admitted_and_cut(request: GenerationRequested) -> Message:
        world.to_database.cut()
        return queued(request)

    async def tried() -> bool:
        return "is written again" in caplog.text or first.task.done()

    world.neighbours.answer = admitted_and_cut
    first = Connection(world, GENERATE, headers, BICYCLE)
    await world.until(tried)
    world.to_database.mend()
    await asyncio.wait([first.task])
    [generation] = world.neighbours.started
    await world.neighbours.say(_success(world))
    retry = Connection(world, GENERATE, headers | RETRY, BICYCLE)
    await retry.task

    assert first.status == 503
    assert (retry.status, retry.headers["x-generation-id"]) == (200, str(generation))
    assert world.neighbours.started == [generation]


async def test_a_cancel_that_cannot_be_written_is_written_when_the_database_is_back(world: World) -> None:
    _, headers = await world.store()
    connection = Connection(world, GENERATE, headers, BICYCLE)
    generation = await started(world)
    await projected(world, generation, "queued")

    world.to_database.cut()
    connection.close()
    world.to_database.mend()
    await connection.task

    await projected(world, generation, "cancelled")


async def test_a_generation_whose_cancel_is_never_written_is_named_to_operators(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    _, headers = await world.store()
    monkeypatch.setattr(callers, "CANCEL_PAUSE_S", 0.0)
    monkeypatch.setattr(callers, "CANCEL_TRIES_MAX", 2)
    connection = Connection(world, GENERATE, headers, BICYCLE)
    generation = await started(world)
    await projected(world, generation, "queued")
    before = REGISTRY.get_sample_value("atelier_cancels_lost_total") or 0.0

    world.to_database.cut()
    connection.close()
    await asyncio.wait([connection.task])
    world.to_database.mend()

    ours = [record for record in caplog.records if record.name == callers.logger.name]
    said = [record.getMessage() for record in ours if record.levelno == logging.ERROR]
    assert said == [f"generation {generation} runs on without a client: its cancel could not be written"]
    assert REGISTRY.get_sample_value("atelier_cancels_lost_total") == before + 1


async def test_every_wait_ends_at_once_when_the_process_stops(world: World) -> None:
    _, headers = await world.store()
    world.neighbours.stop = cancelled
    generation = UUID((await world.create(headers)).json()["data"]["session_id"])
    room = Waiting(world.pool)

    room.stop()

    assert await room.ended(generation, within_s=600) is None
    await room.changed(generation, within_s=600)

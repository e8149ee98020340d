"""Who gives up waiting pays nothing (settled 17): connections closed before their answer, on every waiting create."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from uuid import UUID

import pytest
from prometheus_client import REGISTRY

from atelier_contracts import CancelRequested, GenerationRequested
from atelier_gateway.generations import client_disconnects
from atelier_gateway.projection.waiter import GenerationWaiter

from ..support import onmodel
from ..support.connection import BICYCLE, Connection, cancels, wait_until_started
from ..support.native import IMAGE, success, wait_until_projected
from ..support.neighbours import admit, confirm_cancel, ignore
from ..support.openai import GENERATE
from ..support.workspace import PATH, team_of
from ..support.world import World

pytestmark = pytest.mark.stack

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


@every_waiting_create
async def test_a_client_that_goes_while_it_waits_has_its_generation_cancelled(world: World, wait: Wait) -> None:
    connection = await wait(world, {})
    generation = await wait_until_started(world)
    await wait_until_projected(world, generation, "queued")

    connection.close()
    await connection.task

    await wait_until_projected(world, generation, "cancelled")
    assert cancels(world) == [CancelRequested(generation_id=generation, cause="client_gone")]
    assert connection.sent == []


@every_waiting_create
async def test_a_client_that_goes_before_it_is_admitted_has_its_generation_cancelled(world: World, wait: Wait) -> None:
    world.neighbours.answer = ignore
    connection = await wait(world, {})
    generation = await wait_until_started(world)

    connection.close()
    request = world.neighbours.heard[-1].message
    assert isinstance(request, GenerationRequested)
    await world.neighbours.say(admit(request), (request.reply_to,) if request.reply_to else ())
    await connection.task

    await wait_until_projected(world, generation, "cancelled")
    assert [cancel.cause for cancel in cancels(world)] == ["client_gone"]


@every_waiting_create
async def test_with_a_key_a_client_can_go_and_its_generation_goes_on(world: World, wait: Wait) -> None:
    connection = await wait(world, {"Idempotency-Key": "k-1"})
    generation = await wait_until_started(world)
    await wait_until_projected(world, generation, "queued")

    connection.close()
    await world.neighbours.say(success(generation))
    await connection.task

    await wait_until_projected(world, generation, "succeeded")
    assert cancels(world) == []


async def test_a_client_that_does_not_wait_can_go(world: World) -> None:
    _, headers = await world.user()
    connection = Connection(world, "/v1/generations", headers, IMAGE)
    connection.close_at = 0

    await connection.task

    await wait_until_projected(world, await wait_until_started(world), "queued")
    assert cancels(world) == []


async def test_a_cancel_that_cannot_be_written_is_written_when_the_database_is_back(world: World) -> None:
    _, headers = await world.store()
    connection = Connection(world, GENERATE, headers, BICYCLE)
    generation = await wait_until_started(world)
    await wait_until_projected(world, generation, "queued")

    world.to_database.cut()
    connection.close()
    world.to_database.mend()
    await connection.task

    await wait_until_projected(world, generation, "cancelled")


async def test_a_generation_whose_cancel_is_never_written_is_named_to_operators(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    _, headers = await world.store()
    monkeypatch.setattr(client_disconnects, "CANCEL_PAUSE_S", 0.0)
    monkeypatch.setattr(client_disconnects, "CANCEL_TRIES_MAX", 2)
    connection = Connection(world, GENERATE, headers, BICYCLE)
    generation = await wait_until_started(world)
    await wait_until_projected(world, generation, "queued")
    before = REGISTRY.get_sample_value("atelier_cancels_lost_total") or 0.0

    world.to_database.cut()
    connection.close()
    await asyncio.wait([connection.task])
    world.to_database.mend()

    ours = [record for record in caplog.records if record.name == client_disconnects.logger.name]
    said = [record.getMessage() for record in ours if record.levelno == logging.ERROR]
    assert said == [f"cancel of generation {generation} never written, it runs on without a client"]
    assert REGISTRY.get_sample_value("atelier_cancels_lost_total") == before + 1


async def test_every_wait_ends_at_once_when_the_process_stops(world: World) -> None:
    _, headers = await world.store()
    world.neighbours.stop = confirm_cancel
    generation = UUID((await world.create(headers)).json()["data"]["session_id"])
    room = GenerationWaiter(world.pool)

    room.stop()

    assert await room.wait_until_ended(generation, timeout_s=600) is None
    await room.wait_for_change(generation, timeout_s=600)

"""What a run of faults counts, checks and tells of a violation."""

import asyncio
import os
import random
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import aio_pika
import pytest
import typer
from typer.testing import CliRunner

from atelier_local.launcher import rabbitmq
from chaos import clock_faults, run, site, timelines
from chaos.__main__ import main
from chaos.coverage import count_generations, count_states
from chaos.evidence import Evidence, Row
from chaos.invariants import _keys
from chaos.load import Account, Load
from chaos.run import Watch
from chaos.schedule import FaultOutcome
from chaos.site import Site
from chaos.workload import ClientRequest, Reply, request_of
from whole_system.broker import find_waiting
from whole_system.waits import eventually
from whole_system.world import World

IMAGES = ["https://example.com/person.jpg", "https://example.com/garment.jpg"]
NOWHERE: Any = SimpleNamespace(url="http://127.0.0.1:1")
ACCOUNT = Account("store", "01990000-0000-7000-8000-000000000001", {}, 100)


def _keyed() -> ClientRequest:
    """A request with a key, accepted once."""
    request = next(it for number in range(100) if (it := request_of(1, number, clients=1)).manner == "keyed")
    request.replies.append(Reply(201, b"{}"))
    return request


@pytest.mark.parametrize(
    ("states", "violations"),
    [
        (["queued", None], []),  # the gateway has written it, and the session knows nothing of it
        (["succeeded", "rejected"], []),
        (["succeeded", "queued"], ["has 2 generations: 0 succeeded, 1 queued"]),
    ],
)
def test_one_key_may_have_one_generation_beside_those_that_were_rejected(
    states: list[str | None], violations: list[str]
) -> None:
    request = _keyed()
    sagas: dict[str, Row] = {str(number): {"state": state} for number, state in enumerate(states) if state}
    known = Evidence(sagas, {}, {}, {}, {}, {}, {}, {})
    known.by_marker[request.marker] = {str(number) for number in range(len(states))}

    found = sorted(_keys(known, [request]))

    assert [line.removeprefix(f"{request.key} ") for line in found] == violations


def test_a_name_that_no_fault_has_is_an_error() -> None:
    app = typer.Typer()
    app.command()(main)

    answer = CliRunner().invoke(app, ["--only", "earthquake"])

    assert answer.exit_code == 2
    assert "no fault has 'earthquake' in its name" in answer.output


@pytest.mark.parametrize("is_resting", [True, False])
async def test_clients_send_nothing_while_they_rest(is_resting: bool) -> None:
    load = Load(NOWHERE, 1, [ACCOUNT], is_resting=is_resting)

    sending = asyncio.create_task(load.run(2, asyncio.Event()))
    await asyncio.sleep(0.3)
    sending.cancel()  # with an end in order, a request with a key would be tried for minutes
    await asyncio.gather(sending, return_exceptions=True)

    assert (not load.requests) is is_resting


async def test_clients_that_ask_again_in_the_end_rest_too(monkeypatch: pytest.MonkeyPatch) -> None:
    load = Load(NOWHERE, 1, [ACCOUNT], requests=[_keyed()], is_resting=True)
    load.requests[0].replies.clear()
    tries: list[ClientRequest] = []

    async def note(_: object, request: ClientRequest) -> None:
        tries.append(request)

    monkeypatch.setattr(load, "_until_answered", note)
    insisting = asyncio.create_task(load.insist())
    await asyncio.sleep(0.3)
    assert tries == []
    load.is_resting = False
    await insisting
    assert tries == load.requests


async def test_clients_rest_while_too_much_is_under_way(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    watch = Watch(world, Load(world, 1, [ACCOUNT]))

    for most, is_resting in ((1_000_000, False), (-1, True), (1_000_000, False)):
        monkeypatch.setattr(run, "IN_FLIGHT_MAX", most)
        await watch.look()
        assert watch.load.is_resting is is_resting


async def test_a_kill_counts_for_the_states_that_sagas_had_and_a_violation_tells_what_is_known(world: World) -> None:
    async with await world.new_store(100) as client:
        made = await client.try_on(IMAGES, simulate="outcome=succeed, delay_ms=2500")
        while await _state(world, made.session_id) != "rendering":  # noqa: ASYNC110 - a table
            await asyncio.sleep(0.05)
        kill = FaultOutcome("kill billing", 0.0, datetime.now(UTC), "SIGKILL")
        during = await count_states(world, [kill])
        await world.wait_until_ended(client, made.session_id)
        load = Load(world, 1, [Account("store", world.id_of(client), {}, 100)])

        assert during == {}
        assert await count_states(world, [kill]) == {("billing", "rendering"): 1}
        assert await count_generations(load) == 1
        assert await count_generations(Load(world, 1, [ACCOUNT])) == 0

        told = await timelines.tell(world, [f"{made.session_id} is charged and was not delivered"])

        assert "succeeded" in told[made.session_id]
        assert "session: " in told[made.session_id]


async def test_a_queue_that_holds_a_message_is_reported_with_its_leader_and_members(world: World) -> None:
    name = f"test.waiting.{uuid4()}"
    async with await aio_pika.connect(rabbitmq.amqp_url(world.stack.profile)) as connection:
        channel = await connection.channel()
        await channel.declare_queue(name, durable=True, arguments={"x-queue-type": "quorum"})
        await channel.default_exchange.publish(aio_pika.Message(b"x"), name)

        async def find_line() -> str | None:
            lines = await asyncio.to_thread(find_waiting, world.stack)
            assert not [line for line in lines if "messages_ready messages_ready" in line]  # the table's head
            return next((line for line in lines if name in line), None)

        line = await eventually(find_line, within_s=60)
        await channel.queue_delete(name)

    node = "atelier@localhost"
    assert f"{name}, messages_ready 1, messages_unacknowledged 0, consumers 0, leader {node}" in line
    assert f"online [{node}], state running" in line


def test_the_shared_memory_of_dead_processes_goes_and_that_of_others_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clock_faults, "SHARED_MEMORY", tmp_path)
    dead = subprocess.Popen(["true"])
    dead.wait()
    names = [f"{kind}_{pid}" for kind in ("faketime_shm", "sem.faketime_sem") for pid in (dead.pid, os.getpid())]
    for name in (*names, "PostgreSQL.1"):
        (tmp_path / name).touch()

    clock_faults.remove_leftovers()

    assert {file.name for file in tmp_path.iterdir()} == {names[1], names[3], "PostgreSQL.1"}


async def test_a_part_that_is_not_ready_in_time_is_reported_with_what_it_does(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(*_: object, **__: object) -> None:
        raise TimeoutError("render was not ready")

    monkeypatch.setattr(site, "eventually", never)
    monkeypatch.setattr(Site, "_unready_services", lambda _: ["render"])
    monkeypatch.setattr(site, "USABLE", ())
    recorder: Any = None

    with pytest.raises(TimeoutError) as failure:
        await Site(world.stack, recorder, tmp_path, random.Random(1), world=world).wait_until_ready()

    logs, statements = failure.value.__notes__
    assert "last lines of render:" in logs
    assert "most recent call first" in logs
    assert "'datname': 'render'" in statements
    assert "insufficient privilege" not in statements


async def _state(world: World, id_: str) -> object:
    return await world.databases["session"].fetchval("SELECT state FROM sagas WHERE generation_id = $1::uuid", id_)

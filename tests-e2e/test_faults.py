"""What must survive: killed services, a broker that is stopped or frozen, a database that restarts. FAULTS, by name."""

import asyncio
import signal
from collections.abc import Awaitable, Callable

import pytest

from atelier_local.api_client.client import Client, RequestRefused
from whole_system.waits import eventually
from whole_system.world import IMAGES, World

MakeStore = Callable[[int], Awaitable[Client]]
SLOW = "outcome=succeed, delay_ms=3000"


async def _rendering(client: Client, id: str) -> bool | None:
    return (await client.read_try_on(id)).status == "processing" or None


async def test_a_killed_render_process_has_its_job_taken_over_and_finished_once(world: World, store: MakeStore) -> None:
    client = await store(2)
    started = await client.try_on(IMAGES, simulate=SLOW)
    await eventually(lambda: _rendering(client, started.session_id))

    world.stack.kill("render", signal.SIGKILL)
    done = await world.wait_until_ended(client, started.session_id)

    attempts = await world.databases["render"].fetch(
        "SELECT outcome FROM attempts WHERE generation_id = $1 ORDER BY attempt", started.session_id
    )
    assert done.status == "completed"
    assert [row["outcome"] for row in attempts] == ["lease_lost", "done"]
    assert (await world.balance(client)).captured == 1


@pytest.mark.parametrize("service", ["session", "billing", "gateway", "render"])
async def test_a_service_killed_among_many_generations_resumes_and_each_ends_once(
    world: World, store: MakeStore, service: str
) -> None:
    client = await store(40)
    started = [await client.try_on(IMAGES, simulate="outcome=succeed, delay_ms=300") for _ in range(20)]
    failing = [await client.try_on(IMAGES, simulate="outcome=fail, delay_ms=300") for _ in range(10)]

    await world.kill(service)

    done = [await world.wait_until_ended(client, session.session_id) for session in started]
    failed = [await world.wait_until_ended(client, session.session_id) for session in failing]
    balance = await world.balance(client)
    assert {session.status for session in done} == {"completed"}
    assert {session.status for session in failed} == {"failed"}
    assert (balance.available, balance.held, balance.captured) == (20, 0, 20)


async def test_without_a_broker_the_answer_is_503_and_nothing_comes_back_to_life(
    world: World, store: MakeStore
) -> None:
    client = await store(5)
    before = await world.rows()
    world.stack.stop_part("rabbitmq")
    try:
        for _ in range(3):
            with pytest.raises(RequestRefused) as refused:
                await client.try_on(IMAGES, simulate="outcome=succeed")
            assert refused.value.status == 503
    finally:
        world.stack.start_part("rabbitmq")
    sentinel = await eventually(lambda: _try_create(client))
    await world.wait_until_ended(client, sentinel)

    balance = await world.balance(client)
    after = await world.rows()
    assert (balance.available, balance.held, balance.captured) == (4, 0, 1)
    assert after["session.sagas"] - before["session.sagas"] == 1
    assert after["billing.holds"] - before["billing.holds"] == 1


async def test_a_frozen_broker_charges_for_nothing_that_was_not_delivered(world: World, store: MakeStore) -> None:
    client = await store(5)
    world.stack.kill("rabbitmq", signal.SIGSTOP)
    try:
        answer = await asyncio.gather(client.try_on(IMAGES, simulate="outcome=succeed"), return_exceptions=True)
    finally:
        world.stack.kill("rabbitmq", signal.SIGCONT)
    sentinel = await eventually(lambda: _try_create(client))
    await world.wait_until_ended(client, sentinel)

    accepted = 1 if not isinstance(answer[0], BaseException) else 0
    if isinstance(answer[0], BaseException):
        assert isinstance(answer[0], RequestRefused)
        assert answer[0].status == 503
    else:
        assert (await world.wait_until_ended(client, answer[0].session_id)).status == "completed"
    assert (await world.balance(client)).captured == 1 + accepted


async def test_postgres_killed_among_many_generations_loses_and_doubles_nothing(world: World, store: MakeStore) -> None:
    client = await store(30)
    started = [await client.try_on(IMAGES, simulate="outcome=succeed, delay_ms=500") for _ in range(15)]

    await world.kill("postgres", signal.SIGQUIT)  # immediate shutdown: no checkpoint, recovery from the log

    async def is_completed(id: str) -> bool | None:
        try:
            return (await client.read_try_on(id)).status == "completed" or None
        except RequestRefused:
            return None  # the gateway has not found its way back to the database yet

    for session in started:
        await eventually(lambda id=session.session_id: is_completed(id))  # type: ignore[misc]
    balance = await world.balance(client)
    assert (balance.available, balance.held, balance.captured) == (15, 0, 15)


async def _try_create(client: Client) -> str | None:
    """A new generation, once the gateway takes one again."""
    try:
        return (await client.try_on(IMAGES, simulate="outcome=succeed")).session_id
    except RequestRefused:
        await asyncio.sleep(0.2)
        return None

"""The system on the newest RabbitMQ and Postgres that can be had: a journey, a failure, a retry, a dead letter."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from uuid import uuid4

import aio_pika
import asyncpg
import httpx
import pytest

from atelier_local.launcher.stack import Stack
from atelier_local.server_versions.debian_archive import is_debian
from atelier_local.server_versions.releases import NEWEST
from whole_system.own_stack import own_stack
from whole_system.waits import eventually
from whole_system.world import IMAGES, World

pytestmark = pytest.mark.skipif(not is_debian(), reason="the newest RabbitMQ comes from Debian's archive")
REFUSING = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'not now'; END $$;
CREATE TRIGGER refuse BEFORE INSERT ON jobs FOR EACH ROW EXECUTE FUNCTION refuse()
"""


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with own_stack("newest", {}, servers={"rabbitmq": NEWEST, "postgres": NEWEST}) as running:
        yield running


@pytest.fixture(scope="module")
async def world(stack: Stack) -> AsyncIterator[World]:
    async with World.of(stack) as opened:
        yield opened


async def test_the_servers_are_the_newest(world: World) -> None:
    async with await aio_pika.connect(world.stack.environment()["ATELIER_AMQP_URL"]) as connection:
        assert connection.transport
        told = connection.transport.connection.server_properties["version"]
    version = await world.databases["billing"].fetchval("SHOW server_version_num")

    assert str(told).startswith(world.stack.profile.servers["rabbitmq"] + ".")
    assert int(version) // 10_000 == int(world.stack.profile.servers["postgres"])


async def test_a_try_on_is_delivered_and_charged_and_a_failed_one_returned(world: World) -> None:
    client = await world.new_store(3)

    good = await client.try_on(IMAGES, simulate="outcome=succeed")
    bad = await client.try_on(IMAGES, simulate="outcome=fail")
    done = await world.wait_until_ended(client, good.session_id)
    failed = await world.wait_until_ended(client, bad.session_id)

    balance = await world.balance(client)
    assert (done.status, failed.status) == ("completed", "failed")
    assert (await client.download(str(done.generated_image_url))).startswith(b"\x89PNG")
    assert (balance.available, balance.held, balance.captured) == (2, 0, 1)


async def test_what_a_service_cannot_do_now_is_tried_again_later(world: World) -> None:
    client, before = await world.new_store(1), await _retries(world)

    async with _refusing_jobs(world):
        started = await client.try_on(IMAGES, simulate="outcome=succeed")

        async def is_retried() -> bool | None:
            return await _retries(world) > before or None

        await eventually(is_retried)
    done = await world.wait_until_ended(client, started.session_id)

    assert done.status == "completed"
    assert (await world.balance(client)).captured == 1


async def test_a_message_that_nobody_can_read_is_a_dead_letter_that_an_operator_sees(world: World) -> None:
    id_ = uuid4().hex
    async with await aio_pika.connect(world.stack.environment()["ATELIER_AMQP_URL"]) as connection:
        channel = await connection.channel()
        await channel.default_exchange.publish(aio_pika.Message(b"\x00", message_id=id_), "billing.commands")

    async def find_letter() -> dict[str, object] | None:
        found = await world.admin.ask("show the dead letters", "GET", "/v1/admin/dead-letters/billing.commands")
        return found["data"][0] if found["data"] else None

    letter = await eventually(find_letter)
    path = "/v1/admin/dead-letters/billing.commands/discard"
    gone = await world.admin.ask("discard", "POST", path, {"reason": "a test", "frames": [letter["frame"]]})

    assert letter["reason"]
    assert gone["frames"] == 1


async def _retries(world: World) -> float:
    async with httpx.AsyncClient() as http:
        page = (await http.get(f"{world.stack.environment()['ATELIER_RENDER_URL']}/metrics")).text
    lines = [line for line in page.splitlines() if line.startswith("atelier_") and 'outcome="retried"' in line]
    return sum(float(line.rpartition(" ")[2]) for line in lines)


@asynccontextmanager
async def _refusing_jobs(world: World) -> AsyncIterator[None]:
    owner = await asyncpg.connect(world.stack.environment()["ATELIER_RENDER_OWNER_DATABASE_URL"])
    await owner.execute(REFUSING)
    try:
        yield
    finally:
        await owner.execute("DROP FUNCTION refuse() CASCADE")
        await owner.close()

"""A real RabbitMQ and a real Postgres for the tests marked ``stack``."""

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from typing import Protocol
from uuid import uuid4

import aio_pika
import asyncpg
import pytest
from pydantic import SecretStr

from atelier_contracts import CancelRequested
from atelier_contracts.routes import ROUTES
from atelier_messaging import (
    BrokerSettings,
    Bus,
    bus,
    connection,
    database,
    majority,
    outbox,
    publisher,
    testing,
    topology,
)
from atelier_messaging.consumer import Handler
from atelier_messaging.database import Pool
from atelier_messaging.link import Link, open_link
from atelier_messaging.replies import ReplyHandler
from atelier_messaging.testing import becomes

from .server import Server, create_tables

RETRY_DELAYS_S = (0.05, 0.1, 0.15)
PUBLISH_S_MAX = 2.0  # a broker that is only busy confirms sooner: a later confirm is a second delivery
UNCONFIRMED_S_MAX = 0.5
RECONNECT_S = 0.1
SWEEP_EVERY_S = 0.1
SWEEP_AFTER_S = 0.3


@pytest.fixture(scope="session")
def server_urls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """Addresses of the broker and of the database."""
    with testing.servers("messaging", tmp_path_factory.mktemp("run")) as urls:
        yield urls


@pytest.fixture(scope="session")
async def database_url(server_urls: tuple[str, str]) -> AsyncIterator[str]:
    """A schema of this run's own."""
    schema = f"messaging_{uuid4().hex}"
    admin = await asyncpg.connect(server_urls[1])
    await admin.execute(f"CREATE SCHEMA {schema}")
    yield f"{server_urls[1]}{'&' if '?' in server_urls[1] else '?'}search_path={schema}"
    await admin.execute(f"DROP SCHEMA {schema} CASCADE")
    await admin.close()


@pytest.fixture(scope="session")
async def _tables(database_url: str) -> None:
    async with asyncpg.create_pool(database_url, min_size=1, max_size=1) as pool:
        await create_tables(pool)


@pytest.fixture
async def pool(database_url: str, _tables: None) -> AsyncIterator[Pool]:
    """A pool past every link, on empty tables."""
    pool = await database.connect(database_url)
    await pool.execute("TRUNCATE outbox, inbox, installation, effects")
    yield pool
    await pool.close()


@pytest.fixture
async def server(server_urls: tuple[str, str], pool: Pool, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Server]:
    """A queue of this test's own, bound to CancelRequested and nothing else, and a ladder of short rungs. The queues of
    the four services are gone."""
    queue = f"test.{uuid4().hex}"
    monkeypatch.setattr(topology, "ROUTES", {queue: (CancelRequested,)})
    monkeypatch.setattr(topology, "RETRY_DELAYS_S", RETRY_DELAYS_S)
    asking = await aio_pika.connect(server_urls[0])
    channel = await asking.channel()
    for name in ROUTES:
        await channel.queue_delete(name)
    await topology.declare(channel)
    yield Server(pool, channel, queue)
    await asking.close()
    async with await aio_pika.connect(server_urls[0]) as tidying:
        channel = await tidying.channel()
        for name in (queue, topology.dead_queue(queue)):
            await channel.queue_delete(name)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Deadlines and pauses short enough to be waited for."""
    monkeypatch.setattr(publisher, "PUBLISH_S_MAX", PUBLISH_S_MAX)
    monkeypatch.setattr(majority, "UNCONFIRMED_S_MAX", UNCONFIRMED_S_MAX)
    monkeypatch.setattr(connection, "RECONNECT_S", RECONNECT_S)
    monkeypatch.setattr(bus, "SWEEP_EVERY_S", SWEEP_EVERY_S)
    monkeypatch.setattr(outbox, "SWEEP_AFTER_S", SWEEP_AFTER_S)


@pytest.fixture
def watchful(monkeypatch: pytest.MonkeyPatch) -> None:
    """A silent node is noticed soon."""
    monkeypatch.setattr(connection, "PROBE_EVERY_S", 0.1)
    monkeypatch.setattr(connection, "SILENCE_S_MAX", 0.5)
    monkeypatch.setattr(connection, "CONNECT_S_MAX", 1.0)


@pytest.fixture
def without_sweeper(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is swept unless the test does it. Take it after ``impatient`` or ``begin``."""
    monkeypatch.setattr(bus, "SWEEP_EVERY_S", 3_600.0)


@pytest.fixture
async def amqp_link(server_urls: tuple[str, str]) -> AsyncIterator[Link]:
    """The way to the broker of every bus of this test."""
    async with open_link(server_urls[0]) as link:
        yield link


@pytest.fixture
async def other_link(server_urls: tuple[str, str]) -> AsyncIterator[Link]:
    """A second way to the broker, as to a second node."""
    async with open_link(server_urls[0]) as link:
        yield link


@pytest.fixture
def first_address_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Connections begin with the first address of the list."""
    monkeypatch.setattr(random, "randrange", lambda _: 0)


@pytest.fixture
async def database_link(database_url: str) -> AsyncIterator[Link]:
    """The way to the database of those who take it."""
    async with open_link(database_url) as link:
        yield link


async def _connections_left() -> list[str]:
    """Tasks of connections that should be closed: each would reconnect forever."""
    return [name for name in (task.get_name() for task in asyncio.all_tasks()) if name.startswith("test ")]


Replies = tuple[str, ReplyHandler]


class Begin(Protocol):
    """Starts the bus of one process, with one consumer or none."""

    async def __call__(
        self,
        handler: Handler | None = None,
        *,
        pool: Pool | None = None,
        replies: Replies | None = None,
        url: str | None = None,
        installation: str | None = None,
    ) -> Bus:
        """Without a pool of its own it works on that of ``server``; without addresses it goes by ``amqp_link``."""


@pytest.fixture
async def begin(
    server: Server, amqp_link: Link, impatient: None, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Begin]:
    """The broker is reached through ``amqp_link``. A loop that ends, which would end the service, fails the test."""
    started: list[Bus] = []
    fallen: list[str] = []

    def fall(task: asyncio.Task[None]) -> None:
        if not task.cancelled():
            fallen.append(f"{task.get_name()}: {task.exception()!r}")

    monkeypatch.setattr(bus, "_stop_service_when_done", fall)

    async def start(
        handler: Handler | None = None,
        *,
        pool: Pool | None = None,
        replies: Replies | None = None,
        url: str | None = None,
        installation: str | None = None,
    ) -> Bus:
        settings = BrokerSettings(
            amqp_url=SecretStr(url or amqp_link.url), prefetch=50, batch_max=20, installation=installation
        )
        made = Bus("test", settings, pool or server.pool)
        if handler is not None:
            made.consume(server.queue, handler)
        if replies is not None:
            made.consume_replies(*replies)
        await made.start()
        started.append(made)
        return made

    yield start
    amqp_link.thaw()
    for made in started:
        await made.stop()
    assert fallen == []
    await becomes([], _connections_left)

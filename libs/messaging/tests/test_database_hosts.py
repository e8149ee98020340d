"""One database on several servers: connections go to the one that takes writes."""

import asyncio
import os
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import asyncpg
import pytest

from atelier_messaging import database, database_hosts
from atelier_messaging.database_hosts import DatabaseHosts, urls_of
from atelier_messaging.link import Link

pytestmark = pytest.mark.stack


def test_an_address_of_one_server_stays_as_it_is() -> None:
    url = "postgresql://u:p@a:5432/name?sslmode=require"

    assert urls_of(url) == [url]


def test_an_address_of_several_servers_is_one_for_each_that_demands_writes() -> None:
    assert urls_of("postgresql://u:p%2C@a:1,b:2/name?sslmode=require") == [
        "postgresql://u:p%2C@a:1/name?target_session_attrs=read-write&sslmode=require",
        "postgresql://u:p%2C@b:2/name?target_session_attrs=read-write&sslmode=require",
    ]


@pytest.fixture
async def listening() -> AsyncIterator[int]:
    """The port of a server that accepts a connection and never answers."""
    server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


def _beside(url: str, port: int) -> str:
    """The same address with another server before the one that it names."""
    parts = urlsplit(url)
    user, _, host = parts.netloc.rpartition("@")
    return parts._replace(netloc=f"{user}@127.0.0.1:{port},{host}").geturl()


async def test_a_server_that_is_gone_or_frozen_is_passed_over_and_the_good_one_is_asked_first_from_then_on(
    database_url: str, listening: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_hosts, "HOST_S_MAX", 0.5)
    hosts = DatabaseHosts(_beside(database_url, listening))

    first = await hosts.connect()
    monkeypatch.setattr(database_hosts, "HOST_S_MAX", 60.0)
    second = await asyncio.wait_for(hosts.connect(), 30)

    assert [await connection.fetchval("SELECT 1") for connection in (first, second)] == [1, 1]
    await first.close()
    await second.close()


async def test_a_pool_on_several_servers_works(database_url: str, database_link: Link) -> None:
    await database_link.down()  # its port refuses
    port = urlsplit(database_link.url).port
    assert port

    pool = await database.connect(_beside(database_url, port), connections_max=3)

    assert pool.get_max_size() == 3
    assert await database.ping(pool)
    await pool.close()


async def test_a_wrong_password_is_no_reason_to_ask_the_next_server(database_url: str) -> None:
    parts = urlsplit(_beside(database_url, 1))
    hosts = DatabaseHosts(
        parts._replace(netloc=f"postgres:{os.urandom(4).hex()}@{parts.netloc.split('@')[1]}").geturl()
    )

    with pytest.raises(asyncpg.InvalidPasswordError):
        await hosts.connect()

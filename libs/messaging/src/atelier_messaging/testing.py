"""For the tests of services and of libraries: a real Postgres, and in it a migrated database that the app
role does not own; where it is wanted, a real RabbitMQ.

``ATELIER_TEST_DATABASE_URL`` (of a superuser) and ``ATELIER_TEST_AMQP_URL`` (of a virtual host of its own)
name servers to use; without them the local launcher starts its own.
"""

import asyncio
import os
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg

from atelier_messaging.periodic import wait_event

PGBOUNCER_S_MAX = 60.0
WAIT_S_MAX = 60.0
"""For what must become true: long enough for a busy machine, so that only a wrong program runs into it."""
POLL_S = 0.01

_templates: dict[str, dict[Path, str]] = {}
"""By the superuser's URL and the migrations."""


async def becomes(expected: object, probe: Callable[[], Awaitable[object]], timeout_s: float = WAIT_S_MAX) -> None:
    """Returns as soon as ``probe`` returns ``expected``. Raises AssertionError, which names the last value, when it
    does not within ``timeout_s`` seconds: no test trusts a sleep."""
    ends_at = time.monotonic() + timeout_s
    while (last := await probe()) != expected:
        if time.monotonic() > ends_at:
            raise AssertionError(f"expected {expected!r} within {timeout_s} s, last seen {last!r}")
        await asyncio.sleep(POLL_S)


async def count_waiting(connection: "asyncpg.Connection[Any] | asyncpg.Pool[Any]") -> int:
    """How many sessions of this connection's own database wait for a lock. ``pg_locks`` would not do: it tells of the
    tests of other processes, which share the server."""
    query = """SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock'"""
    return int(await connection.fetchval(query))


async def happens(event: asyncio.Event, timeout_s: float = WAIT_S_MAX) -> None:
    """Returns when the event is set. Raises AssertionError when it is not within ``timeout_s`` seconds."""
    if not await wait_event(event, timeout_s):
        raise AssertionError(f"the event was not set within {timeout_s} s")


@contextmanager
def postgres(profile: str) -> Iterator[str]:
    """URL of a superuser on a Postgres; what it is called begins with ``profile``, if the launcher must start one."""
    if given := os.environ.get("ATELIER_TEST_DATABASE_URL"):
        yield given
        asyncio.run(_drop_templates(given))
        return
    # Only here: tests that need no server run in an environment without the launcher.
    from atelier_local.launcher.postgres import admin_url
    from atelier_local.launcher.stack import Stack

    stack = Stack(f"{profile}-{os.getpid()}", only=("postgres",))
    try:
        stack.up()
        yield admin_url(stack.profile)
    finally:
        stack.clean()


@contextmanager
def servers(profile: str, root: Path) -> Iterator[tuple[str, str]]:
    """URLs of a broker and of a superuser on a Postgres; ``root`` is where those keep their files that are started."""
    amqp, database = os.environ.get("ATELIER_TEST_AMQP_URL"), os.environ.get("ATELIER_TEST_DATABASE_URL")
    if amqp and database:
        yield amqp, database
        asyncio.run(_drop_templates(database))
        return
    from atelier_local.launcher.postgres import admin_url
    from atelier_local.launcher.rabbitmq import amqp_url
    from atelier_local.launcher.stack import Stack

    stack = Stack(profile, root=root, only=("rabbitmq", "postgres"))
    try:
        stack.up()
        yield amqp_url(stack.profile), admin_url(stack.profile)
    finally:
        stack.clean()


@contextmanager
def pgbouncer(url: str, folder: Path, *, servers_max: int = 3) -> Iterator[str]:
    """URL of a real pgbouncer in transaction mode before this database; ``folder`` is where its files are."""
    to, port = urlsplit(url), _free_port()
    file = folder / "pgbouncer.ini"
    file.write_text(
        f"""[databases]
* = host={to.hostname} port={to.port} user={to.username} password={to.password or ""}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = {servers_max}
"""
    )
    as_whom = ["-u", "nobody"] if os.geteuid() == 0 else []
    running = subprocess.Popen(["/usr/sbin/pgbouncer", "-q", *as_whom, str(file)], stderr=subprocess.DEVNULL)  # noqa: S603 - our own file
    try:
        _wait_for(port, running)
        yield to._replace(netloc=f"{to.username}@127.0.0.1:{port}").geturl()
    finally:
        running.terminate()
        running.wait(PGBOUNCER_S_MAX)


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def _wait_for(port: int, process: "subprocess.Popen[bytes]") -> None:
    give_up = time.monotonic() + PGBOUNCER_S_MAX
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if process.poll() is not None or time.monotonic() > give_up:
                raise RuntimeError(f"pgbouncer does not listen on {port}; it ended with {process.poll()}") from None
            time.sleep(0.02)
        else:
            return


@asynccontextmanager
async def migrated_database(superuser_url: str, migrations: Path) -> AsyncIterator[str]:
    """URL of a fresh database with these migrations applied, as a role that owns nothing in it."""
    template = await _template(superuser_url, migrations)
    name, owner = f"test_{uuid4().hex[:12]}", urlsplit(superuser_url)
    async with _admin_connection(superuser_url) as admin:
        await admin.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        await admin.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{name}' IN ROLE {template}")
    try:
        yield owner._replace(path=f"/{name}", netloc=f"{name}:{name}@{owner.hostname}:{owner.port}").geturl()
    finally:
        await _drop(superuser_url, name)


async def _template(superuser_url: str, migrations: Path) -> str:
    """The name of a database with these migrations applied, and of the role that may use it: made once a server, for
    the migrations take many times as long as a copy of what they make."""
    from atelier_messaging.migrations import upgrade

    made = _templates.setdefault(superuser_url, {})
    if migrations in made:
        return made[migrations]
    name = f"template_{uuid4().hex[:12]}"
    async with _admin_connection(superuser_url) as admin:
        await admin.execute(f"CREATE DATABASE {name}")
        await admin.execute(f"CREATE ROLE {name}")
    owner_url = urlsplit(superuser_url)._replace(path=f"/{name}").geturl()
    async with _admin_connection(owner_url) as admin:
        # Before the migrations, as an installation does it: they may take some of it away again.
        every_table = "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES"
        await admin.execute(f"{every_table} TO {name}")
        await admin.execute(f"ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE ON SEQUENCES TO {name}")
    await asyncio.to_thread(upgrade, migrations, owner_url)
    if made.setdefault(migrations, name) != name:  # another task was quicker
        await _drop(superuser_url, name)
    return made[migrations]


async def _drop_templates(superuser_url: str) -> None:
    for name in _templates.pop(superuser_url, {}).values():
        await _drop(superuser_url, name)


async def _drop(superuser_url: str, name: str) -> None:
    async with _admin_connection(superuser_url) as admin:
        await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
        await admin.execute(f"DROP ROLE {name}")


async def analyze(superuser_url: str, url: str) -> None:
    """Renews the planner's statistics of a migrated database. The app role cannot: its ANALYZE passes over them."""
    async with _admin_connection(urlsplit(superuser_url)._replace(path=urlsplit(url).path).geturl()) as owner:
        await owner.execute("ANALYZE", timeout=600)


@asynccontextmanager
async def _admin_connection(url: str) -> AsyncIterator["asyncpg.Connection[Any]"]:
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()

"""A primary and a standby that has every commit before the client hears of it, and the change of their roles.

Which of the two is the primary is a file in the profile. The other copies it with ``pg_basebackup`` when it starts,
unless it follows it already, and the primary then waits for it at each commit (``synchronous_standby_names``).
"""

import asyncio
import re
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import asyncpg

from atelier_local.errors import StackError
from atelier_local.launcher.database_roles import ensure_databases
from atelier_local.launcher.profile import Profile

FOLLOWS_S_MAX = 30.0
PROMOTION_S_MAX = 30
NAME = "standby"

UrlOf = Callable[[str], str]
"""The superuser's address of a part."""
Stop = Callable[[str, signal.Signals], None]
"""Ends a part by a signal, and leaves it down."""


def primary(profile: Profile) -> str:
    """The part that takes writes."""
    with suppress(FileNotFoundError):
        return _file(profile).read_text().strip()
    return profile.databases[0]


def prepare_primary(profile: Profile, name: str, data: Path) -> None:
    """It starts without waiting for a standby that is not there yet."""
    configuration = data / "postgresql.auto.conf"
    if len(profile.databases) > 1 and configuration.exists() and not _is_listening(_partner_port(profile, name)):
        kept = [line for line in configuration.read_text().splitlines() if not line.startswith("synchronous_standby")]
        configuration.write_text("\n".join([*kept, ""]))


def follows(data: Path, port: int) -> bool:
    """Whether the server in this folder is a standby of the one at that port."""
    if not (data / "standby.signal").exists():
        return False
    found = re.findall(r"^primary_conninfo = .*?\bport=(\d+)", (data / "postgresql.auto.conf").read_text(), re.M)
    return bool(found) and int(found[-1]) == port


def copy_words(data: Path, admin_url: str) -> list[str]:
    """Of ``pg_basebackup``: a copy that follows its origin from then on."""
    where = f"{admin_url}?application_name={NAME}"
    return ["-d", where, "-D", str(data), "-R", "-X", "stream", "--checkpoint=fast"]


async def settle(profile: Profile, name: str, url_of: UrlOf) -> None:
    """The databases, and if both servers are there, that each commit of the primary waits for the standby."""
    try:
        connection = await asyncpg.connect(url_of(primary(profile)), timeout=3.0)
    except (OSError, TimeoutError, asyncpg.PostgresError):
        return  # its own turn comes
    try:
        if not await connection.fetchval("SHOW synchronous_standby_names"):
            await ensure_databases(url_of(primary(profile)), profile)
        if _is_listening(_partner_port(profile, name)):
            await _wait_for(connection, "state = 'streaming'")
            await _alter(connection, f"ALTER SYSTEM SET synchronous_standby_names = '{NAME}'")
            await _wait_for(connection, "sync_state = 'sync'")
    finally:
        await connection.close()


async def fail_over(profile: Profile, url_of: UrlOf, stop: Stop) -> str:
    """Kills the primary, leaves it down, and makes the standby the primary. Answers the new primary's name."""
    old = primary(profile)
    new = next(part for part in profile.databases if part != old)
    await asyncio.to_thread(stop, old, signal.SIGKILL)
    _file(profile).write_text(new)
    connection = await asyncpg.connect(url_of(new), timeout=3.0)
    try:
        await _alter(connection, "ALTER SYSTEM RESET synchronous_standby_names")
        if not await connection.fetchval("SELECT pg_promote(true, $1)", PROMOTION_S_MAX):
            raise StackError(f"{new} did not become the primary in {PROMOTION_S_MAX} s")
    finally:
        await connection.close()
    return new


async def _wait_for(connection: "asyncpg.Connection[Any]", condition: str) -> None:
    """Until the standby is so. Raises StackError."""
    question = f"SELECT EXISTS (SELECT FROM pg_stat_replication WHERE application_name = '{NAME}' AND {condition})"
    try:
        async with asyncio.timeout(FOLLOWS_S_MAX):
            while not await connection.fetchval(question):  # noqa: ASYNC110 - nothing tells us
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise StackError(f"the standby did not follow the primary within {FOLLOWS_S_MAX:.0f} s ({condition})") from None


async def _alter(connection: "asyncpg.Connection[Any]", statement: str) -> None:
    await connection.execute(statement)
    await connection.execute("SELECT pg_reload_conf()")


def _file(profile: Profile) -> Path:
    return profile.home / "primary-postgres"


def _partner_port(profile: Profile, name: str) -> int:
    return profile.ports[next(part for part in profile.databases if part != name)]


def _is_listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0

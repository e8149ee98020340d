"""The asyncpg pool a service works with."""

import json
from typing import TYPE_CHECKING, Any, TypeAlias

import asyncpg
from pydantic import SecretStr

from atelier_messaging import pooler
from atelier_messaging.database_hosts import DatabaseHosts
from atelier_messaging.settings import BrokerSettings

if TYPE_CHECKING:
    Connection: TypeAlias = asyncpg.Connection[Any] | asyncpg.pool.PoolConnectionProxy[Any]
    Pool: TypeAlias = asyncpg.Pool[Any]
else:
    Connection = asyncpg.Connection
    Pool = asyncpg.Pool

CONNECTIONS_MIN = 2
CONNECTIONS_MAX = 8
"""Connections of a service at most, unless its settings say otherwise."""
COMMAND_S_MAX = 30.0
CONNECT_S_MAX = 10.0
"""For one connection, of which the driver would wait for a minute: a frozen server accepts and answers nothing."""
STATEMENTS_MAX = 100
"""Prepared statements that a connection keeps."""
_SESSION = {"timezone": "UTC", "application_name": "atelier"}
# Statements are look-ups by index, and queues are read in their index's order: a bitmap would have to read and sort all
# of a backlog that is not in the planner's statistics yet.
_PLANNER = {"jit": "off", "enable_bitmapscan": "off"}
_MARK = "INSERT INTO installation (id) VALUES ($1) ON CONFLICT DO NOTHING"


async def connect(url: str, *, statement_cache: int = STATEMENTS_MAX, connections_max: int = CONNECTIONS_MAX) -> Pool:
    """A pool whose ``jsonb`` columns are Python values and whose statements end within ``COMMAND_S_MAX`` seconds.
    ``url`` may name several servers, of which the one that takes writes is used.

    Without a statement cache it works behind any pooler in transaction mode. Raises UnfitPooler, TimeoutError.
    """
    try:
        pool = await _create_pool(url, _SESSION | _PLANNER, statement_cache, connections_max)
    except asyncpg.ProtocolViolationError as error:
        if "startup parameter" not in str(error):
            raise
        pool = await _create_pool(url, _SESSION, statement_cache, connections_max)
    try:
        await pooler.check(pool)
        if await pool.fetchval("SELECT current_setting('enable_bitmapscan')") == "on":
            await pooler.plan_by_role(pool, _PLANNER)
    except BaseException:
        pool.terminate()
        raise
    return pool


async def open_pool(url: SecretStr, settings: BrokerSettings) -> Pool:
    """The pool of a service, as its settings say. Raises UnfitPooler."""
    return await connect(
        url.get_secret_value(),
        statement_cache=settings.database_statement_cache,
        connections_max=settings.database_connections_max,
    )


async def _create_pool(url: str, server_settings: dict[str, str], statement_cache: int, connections_max: int) -> Pool:
    return await asyncpg.create_pool(
        url,
        connect=DatabaseHosts(url).connect,
        connection_class=asyncpg.Connection if statement_cache else pooler.OneServerAStatement,
        statement_cache_size=statement_cache,
        min_size=CONNECTIONS_MIN,
        max_size=connections_max,
        timeout=CONNECT_S_MAX,
        command_timeout=COMMAND_S_MAX,
        init=_prepare,
        reset=_no_reset,
        server_settings=server_settings,
    )


async def _prepare(connection: Connection) -> None:
    async with connection.transaction():  # behind a pooler its look-ups belong to one server
        await connection.set_type_codec("jsonb", encoder=json.dumps, decoder=json.loads, schema="pg_catalog")


async def _no_reset(_: Connection) -> None:
    """Nothing to reset between uses: all statements run in transactions, and no session state outlives one."""


class OtherInstallation(RuntimeError):
    """The database belongs to another installation; the text is a sentence for an operator."""


async def claim_database(pool: Pool, installation: str) -> None:
    """Marks the database as this installation's at its first start. Raises OtherInstallation where it is another's."""
    await pool.execute(_MARK, installation)
    found = await pool.fetchval("SELECT id FROM installation")
    if found != installation:
        name = await pool.fetchval("SELECT current_database()")
        raise OtherInstallation(
            f"the database {name} belongs to another installation of Atelier ({found}), not to {installation}: give "
            f"this one databases of its own, or set ATELIER_INSTALLATION to the other's"
        )


async def ping(pool: Pool) -> bool:
    """Whether the database can be used right now."""
    return bool(await pool.fetchval("SELECT true"))

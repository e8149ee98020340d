"""The asyncpg pool a service works with."""

import json
from typing import TYPE_CHECKING, Any, TypeAlias

import asyncpg

if TYPE_CHECKING:
    Connection: TypeAlias = asyncpg.Connection[Any] | asyncpg.pool.PoolConnectionProxy[Any]
    Pool: TypeAlias = asyncpg.Pool[Any]
else:
    Connection = asyncpg.Connection
    Pool = asyncpg.Pool

CONNECTIONS_MIN = 2
CONNECTIONS_MAX = 8
COMMAND_S_MAX = 30.0
_MARK = "INSERT INTO installation (id) VALUES ($1) ON CONFLICT DO NOTHING"


async def connect(url: str) -> Pool:
    """A pool whose ``jsonb`` columns are Python values and whose statements end within ``COMMAND_S_MAX`` seconds."""
    return await asyncpg.create_pool(
        url,
        min_size=CONNECTIONS_MIN,
        max_size=CONNECTIONS_MAX,
        command_timeout=COMMAND_S_MAX,
        init=_prepare,
        reset=_as_it_is,
        # Statements are look-ups by index, and queues are read in their index's order: a bitmap would have to read and
        # sort all of a backlog that the planner has not heard of yet.
        server_settings={"timezone": "UTC", "application_name": "atelier", "jit": "off", "enable_bitmapscan": "off"},
    )


async def _prepare(connection: Connection) -> None:
    await connection.set_type_codec("jsonb", encoder=json.dumps, decoder=json.loads, schema="pg_catalog")


async def _as_it_is(_: Connection) -> None:
    """Nothing to undo between uses: all work happens in transactions, and no session state outlives one."""


class OtherInstallation(RuntimeError):
    """The database belongs to another installation; the text is a sentence for an operator."""


async def take_for(pool: Pool, installation: str) -> None:
    """Marks the database as this installation's at its first start. Raises OtherInstallation where it is another's."""
    await pool.execute(_MARK, installation)
    found = await pool.fetchval("SELECT id FROM installation")
    if found != installation:
        name = await pool.fetchval("SELECT current_database()")
        raise OtherInstallation(
            f"the database {name} belongs to another installation of Atelier ({found}), not to {installation}: give "
            f"this one databases of its own, or set ATELIER_INSTALLATION to the other's"
        )


async def answers(pool: Pool) -> bool:
    """Whether the database can be used right now."""
    return bool(await pool.fetchval("SELECT true"))

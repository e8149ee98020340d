"""Working behind a pooler in transaction mode (pgbouncer): each transaction may be on another server connection.

No session state of ours outlives a transaction, but the driver's prepared statements do: they are prepared in one round
trip and used in the next. A pooler that carries them along (pgbouncer 1.21 and newer) needs nothing; behind an older
one there must be no statement cache, and each statement must be a transaction.
"""

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import asyncpg

if TYPE_CHECKING:
    _Connection = asyncpg.Connection[Any]
else:
    _Connection = asyncpg.Connection

CHECKS = 3
CHECK_S_MAX = 5.0
SERVER = "SELECT pg_backend_pid()"
logger = logging.getLogger(__name__)


class UnfitPooler(RuntimeError):
    """The database is behind a pooler that loses prepared statements; the text is a sentence for an operator."""


class OneServerAStatement(_Connection):
    """Preparing and executing a statement happen on one server connection, because they are one transaction."""

    async def execute(self, query: str, *args: Any, timeout: float | None = None) -> str:
        """As of asyncpg. Without arguments it is one round trip anyway."""
        if not args or self.is_in_transaction():
            return await super().execute(query, *args, timeout=timeout)
        async with self.transaction():
            return await super().execute(query, *args, timeout=timeout)

    async def fetch(self, query: str, *args: Any, **options: Any) -> Any:
        """As of asyncpg."""
        if self.is_in_transaction():
            return await super().fetch(query, *args, **options)
        async with self.transaction():
            return await super().fetch(query, *args, **options)

    async def fetchrow(self, query: str, *args: Any, **options: Any) -> Any:
        """As of asyncpg."""
        if self.is_in_transaction():
            return await super().fetchrow(query, *args, **options)
        async with self.transaction():
            return await super().fetchrow(query, *args, **options)

    async def fetchval(self, query: str, *args: Any, **options: Any) -> Any:
        """As of asyncpg."""
        if self.is_in_transaction():
            return await super().fetchval(query, *args, **options)
        async with self.transaction():
            return await super().fetchval(query, *args, **options)


async def check(pool: "asyncpg.Pool[Any]") -> None:
    """Moves a prepared statement to another server connection. Raises UnfitPooler if a pooler loses it."""
    try:
        async with pool.acquire() as first, pool.acquire() as second:
            for _ in range(CHECKS):
                await first.fetchval(SERVER, timeout=CHECK_S_MAX)
                # The server connection of the first is taken away, so that its next statement runs on another.
                async with second.transaction():
                    await second.execute("SELECT 1")
                    await first.fetchval(SERVER, timeout=CHECK_S_MAX)
    except (asyncpg.InvalidSQLStatementNameError, asyncpg.DuplicatePreparedStatementError) as error:
        raise UnfitPooler(
            "the database is behind a pooler in transaction mode that does not carry prepared statements (pgbouncer "
            "before 1.21, or with max_prepared_statements = 0): set ATELIER_DATABASE_STATEMENT_CACHE=0, or use a "
            "newer pooler or its session mode"
        ) from error
    except TimeoutError:
        logger.warning("checking the pooler timed out: with one server connection, statements wait for each other")


async def plan_by_role(pool: "asyncpg.Pool[Any]", settings: Mapping[str, str]) -> None:
    """Sets the planner settings on our own role where the pooler accepts none: new server connections have them."""
    try:
        for name, value in settings.items():
            await pool.execute(f"ALTER ROLE CURRENT_USER SET {name} = {value}")
        logger.info("behind a pooler: %s set on the role, for new server connections", ", ".join(settings))
    except asyncpg.PostgresError as error:
        logger.warning("changing the planner settings %s failed, continuing without: %r", dict(settings), error)

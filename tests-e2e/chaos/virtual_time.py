"""Databases in which time is what we say: a ``now()`` of our own is found before that of Postgres."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg

from atelier_messaging import database, testing

_CLOCK = """
CREATE SCHEMA virtual;
CREATE TABLE virtual.clock AS SELECT pg_catalog.now() + interval '1 hour' AS at;
CREATE FUNCTION virtual.now() RETURNS timestamptz LANGUAGE sql STABLE AS 'SELECT at FROM virtual.clock';
CREATE FUNCTION virtual.clock_timestamp() RETURNS timestamptz LANGUAGE sql STABLE AS 'SELECT at FROM virtual.clock';
GRANT USAGE ON SCHEMA virtual TO {role};
GRANT SELECT, UPDATE ON virtual.clock TO {role};
ALTER ROLE {role} SET search_path = virtual, pg_catalog, public;
"""
"""Every ``now()`` of the services' SQL is found here first."""


@asynccontextmanager
async def virtual(superuser: str, service: Any) -> AsyncIterator[database.Pool]:
    """A fresh database of this service in which time is what we say."""
    async with testing.migrated_database(superuser, Path(service.__file__).parent / "migrations") as url:
        role = str(urlsplit(url).username)
        connection = await asyncpg.connect(urlsplit(superuser)._replace(path=f"/{role}").geturl())
        await connection.execute(_CLOCK.format(role=role))
        await connection.close()
        pool = await database.connect(url)
        try:
            yield pool
        finally:
            await pool.close()

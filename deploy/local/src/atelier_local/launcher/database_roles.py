"""Four databases, each with an owner that may change its tables and an app role that may only use them."""

import contextlib
from contextlib import suppress
from urllib.parse import quote, urlsplit, urlunsplit

import asyncpg

from atelier_local.launcher.profile import SERVICES, Profile


def database_url(server_url: str, service: str, role: str, profile: Profile) -> str:
    """The address of a service's database on that server, as its ``owner`` or its ``app`` role."""
    server = urlsplit(server_url)
    password = quote(profile.secrets[f"{service}_{role}_password"])
    host = server.netloc.rpartition("@")[2]
    return urlunsplit(("postgresql", f"{service}_{role}:{password}@{host}", f"/{service}", server.query, ""))


async def release_databases(server_url: str, profile: Profile) -> None:
    """Removes the mark of a deleted stack from databases that outlive it; an unreachable one keeps it."""
    for service in SERVICES:
        with suppress(OSError, TimeoutError, asyncpg.PostgresError):
            connection = await asyncpg.connect(database_url(server_url, service, "owner", profile), timeout=10)
            try:
                await connection.execute("DELETE FROM installation WHERE id = $1", profile.secrets["installation"])
            finally:
                await connection.close()


async def ensure_databases(server_url: str, profile: Profile) -> None:
    """Makes what is missing and sets the passwords; needs a role that may create roles and databases."""
    connection = await asyncpg.connect(server_url, timeout=10)
    try:
        for service in SERVICES:
            for role in ("owner", "app"):
                await _ensure_role(connection, f"{service}_{role}", profile.secrets[f"{service}_{role}_password"])
            await _ensure_database(connection, service)
        await _close_maintenance_databases(connection)
    finally:
        await connection.close()
    for service in SERVICES:
        await _ensure_privileges(database_url(server_url, service, "owner", profile), service)


async def _ensure_role(connection: asyncpg.Connection, role: str, password: str) -> None:
    exists = await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", role)
    verb = "ALTER" if exists else "CREATE"
    # Role and password are our own words of a-z, 0-9 and _: nothing here needs quoting, and DDL takes no parameters.
    await connection.execute(f"{verb} ROLE {role} LOGIN PASSWORD '{password}'")


async def _ensure_database(connection: asyncpg.Connection, service: str) -> None:
    if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", service):
        await connection.execute(f"GRANT {service}_owner TO CURRENT_USER")  # an owner must be a role we can be
        await connection.execute(f"CREATE DATABASE {service} OWNER {service}_owner TEMPLATE template0 ENCODING 'UTF8'")


async def _close_maintenance_databases(connection: asyncpg.Connection) -> None:
    """No service needs ``postgres`` or ``template1``, which are open to every role by default. A server lent to us
    by someone else may refuse: its databases are its owner's to close."""
    for database in ("postgres", "template1"):
        with contextlib.suppress(asyncpg.InsufficientPrivilegeError):
            await connection.execute(f"REVOKE CONNECT, TEMPORARY ON DATABASE {database} FROM PUBLIC")


async def _ensure_privileges(owner_url: str, service: str) -> None:
    """As the owner itself, so that a server lent to us need not make us superuser."""
    connection = await asyncpg.connect(owner_url, timeout=10)
    try:
        await connection.execute(
            f"""
            REVOKE ALL ON DATABASE {service} FROM PUBLIC;
            GRANT CONNECT, TEMPORARY ON DATABASE {service} TO {service}_app;
            REVOKE ALL ON SCHEMA public FROM PUBLIC;
            GRANT USAGE ON SCHEMA public TO {service}_app;
            ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {service}_app;
            ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE ON SEQUENCES TO {service}_app;
            """
        )
    finally:
        await connection.close()

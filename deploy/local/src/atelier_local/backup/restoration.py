"""Restores a backup into an installation that has nothing yet: a new local profile, or what the environment names.

What the broker held at the cut is gone. Outbox rows of the cut are published when the services start; what had been
published and not handled is requested again by the sagas, the stalled checks and reconciliation.
"""

import asyncio
import json
import os
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import asyncpg
from aio_pika.exceptions import AMQPError

from atelier_local.backup.checked_backup import CheckedBackup, OutsideLog
from atelier_local.backup.cut import CONNECT_S_MAX, Databases
from atelier_local.backup.dumps import find_tools
from atelier_local.backup.installation import owner_variable, storage_of
from atelier_local.backup.objects import Bucket
from atelier_local.backup.subscriber_users import import_users
from atelier_local.errors import StackError
from atelier_local.launcher.database_roles import database_url
from atelier_local.launcher.environment import amqp_url, s3_settings, server_url
from atelier_local.launcher.profile import SERVICES, make_private, open_profile, write_private
from atelier_local.launcher.stack import Stack
from atelier_messaging.subscriptions import declare_subscription

ORDER = ("billing", "session", "render", "gateway")
SERVERS = ("rabbitmq", "postgres", "objectstore")
MISSING_SHOWN = 3
Report = Callable[[str, str], None]


def check_profile(name: str) -> Stack:
    """The stack of a profile that does not exist yet. Raises StackError."""
    stack = Stack(name, only=SERVERS)
    if (stack.home / "profile.json").exists():
        raise StackError(
            f"the profile {name} exists already: restore into a new one, or delete it first (PROFILE={name} make clean)"
        )
    return stack


async def restore_profile(stack: Stack, backup: CheckedBackup, outside: OutsideLog, report: Report) -> None:
    """Into a new local profile, which is left down. Raises StackError; the profile is gone again then."""
    make_private(stack.home)
    try:
        _write_profile(stack, backup, outside)
        profile = open_profile(stack.name, stack.root)
        await asyncio.to_thread(stack.up)
        server = server_url(profile, stack.plan)
        owners = {service: database_url(server, service, "owner", profile) for service in SERVICES}
        await check_empty(owners)
        await _restore_databases(backup, owners, report)
        await _restore_objects(backup, s3_settings(profile, stack.plan), report)
        await _restore_subscribers(backup, owners["gateway"], amqp_url(profile, stack.plan), stack.name, report)
        await asyncio.to_thread(stack.down)
    except BaseException:
        await asyncio.to_thread(stack.clean)
        raise


async def restore_environment(
    backup: CheckedBackup, keys_to: Path, report: Report, environ: Mapping[str, str] = os.environ
) -> None:
    """Into the databases and the bucket that the environment names, the keys into a folder, from which the operator
    makes the secrets. Raises StackError."""
    names = [owner_variable(service) for service in SERVICES]
    if missing := [name for name in names if not environ.get(name)]:
        raise StackError(f"{', '.join(missing)} not set in the environment")
    owners, storage = {service: environ[owner_variable(service)] for service in SERVICES}, storage_of(environ)
    await check_empty(owners)
    make_private(keys_to)
    values = backup.material.values | {"ATELIER_LOG_ORIGIN": backup.log_origin}
    for file, text in backup.material.files.items():
        write_private(keys_to / file, text)
    write_private(keys_to / "settings.env", "".join(f"{name}={value}\n" for name, value in values.items()))
    report("keys", f"{', '.join(sorted([*backup.material.files, 'settings.env']))} in {keys_to}")
    await _restore_databases(backup, owners, report)
    await _restore_objects(backup, storage, report)
    if url := environ.get("ATELIER_AMQP_URL"):
        await _restore_subscribers(backup, owners["gateway"], url, None, report)


async def check_empty(owners: Databases) -> None:
    """Raises StackError naming the first database that cannot be reached or has tables."""
    for service, url in owners.items():
        try:
            connection = await asyncpg.connect(url, timeout=CONNECT_S_MAX)
        except (OSError, TimeoutError, asyncpg.PostgresError) as error:
            raise StackError(f"the database {service} cannot be reached: {error or type(error).__name__}") from None
        try:
            tables = await connection.fetchval("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
        finally:
            await connection.close()
        if tables:
            raise StackError(f"the database {service} is not empty, it has {tables} tables; nothing was restored")


def _write_profile(stack: Stack, backup: CheckedBackup, outside: OutsideLog) -> None:
    values = backup.material.values
    kept = {
        "installation": values["ATELIER_INSTALLATION"],
        "key_pepper": values["ATELIER_KEY_PEPPER"],
        "log_origin": backup.log_origin,
    }
    write_private(stack.home / "profile.json", json.dumps({"ports": {}, "secrets": kept}))
    for file, text in backup.material.files.items():
        write_private(stack.home / file, text)
    if outside.checkpoint is not None:
        # Billing compares its log with this file before it signs anything; the old log's would contradict a new name.
        goes_on = backup.log_origin == backup.manifest.log.origin
        name = "checkpoint.txt" if goes_on else "checkpoint-of-the-old-log.txt"
        write_private(stack.home / name, outside.checkpoint)


async def _restore_databases(backup: CheckedBackup, owners: Databases, report: Report) -> None:
    tools = find_tools()
    for service in ORDER:
        entry = backup.manifest.databases[service]
        await tools.restore(owners[service], backup.folder / entry.file)
        report(service, ", ".join(f"{rows} {table}" for table, rows in entry.rows.items()))


async def _restore_objects(backup: CheckedBackup, storage: Mapping[str, str], report: Report) -> None:
    bucket, listed = Bucket(storage), backup.manifest.objects
    if listed.copied:
        report("objects", f"{await bucket.put_copies(backup.folder)} put into the bucket")
    elif missing := await bucket.find_missing(backup.folder):
        some = ", ".join(missing[:MISSING_SHOWN])
        report(
            "objects",
            f"{len(missing)} of {listed.count} are not in the bucket ({some} …): reconcile names their generations",
        )
    else:
        report("objects", f"all {listed.count} are in the bucket")


async def _restore_subscribers(
    backup: CheckedBackup, gateway_url: str, amqp: str, profile: str | None, report: Report
) -> None:
    connection = await asyncpg.connect(gateway_url, timeout=CONNECT_S_MAX)
    try:
        names = [row["name"] for row in await connection.fetch("SELECT name FROM subscriptions ORDER BY name")]
    finally:
        await connection.close()
    if not names:
        return
    try:
        for name in names:
            await declare_subscription(amqp, name)
        await asyncio.to_thread(import_users, profile, amqp, backup.material.broker)
    except (AMQPError, OSError, TimeoutError, subprocess.SubprocessError, StackError) as error:
        report("subscribers", f"{', '.join(names)}: not all at the broker yet ({error}); see docs/operations/backup.md")
        return
    report("subscribers", f"{', '.join(names)}: have each replayed from {backup.manifest.cut_at}")

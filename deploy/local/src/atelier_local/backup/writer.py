"""Writes a backup: the cut, four dumps of it, the bucket, the keys; then the manifest, without which it is none."""

import asyncio
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import asyncpg

from atelier_local.backup import manifest as files
from atelier_local.backup.cut import Cut, open_cut
from atelier_local.backup.dumps import PostgresTools, find_tools
from atelier_local.backup.installation import Installation
from atelier_local.backup.manifest import DatabaseEntry, LogEntry, Manifest, digest_of, write_manifest
from atelier_local.backup.objects import Bucket
from atelier_local.backup.sealed_keys import Sealing, SecretMaterial, seal
from atelier_local.errors import StackError

COUNTED = {
    "gateway": ("generations", "outbox"),
    "session": ("sagas", "outbox"),
    "billing": ("holds", "postings", "outbox"),
    "render": ("jobs", "artefacts", "outbox"),
}
DIGESTS = {
    "gateway": "SELECT key, sha256 FROM files WHERE key IS NOT NULL AND sha256 IS NOT NULL",
    "render": "SELECT key, sha256 FROM artefacts",
}


def check_free(folder: Path) -> None:
    """Raises StackError where the folder holds something."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise StackError(f"{folder} is there already and not empty; a folder of its own is needed")


@contextmanager
def draft_of(folder: Path) -> Iterator[Path]:
    """A folder beside it, which takes its place at the end of the block; after a failure nothing is left."""
    draft = folder.absolute().with_name(f"{folder.absolute().name}.partial")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700, parents=True)
    try:
        yield draft
        if folder.exists():
            folder.rmdir()
        draft.rename(folder)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise


async def write_backup(
    installation: Installation, folder: Path, sealing: Sealing, broker: Mapping[str, Any], *, copy_objects: bool
) -> Manifest:
    """Writes it into an empty folder. Raises StackError."""
    seal(SecretMaterial({}, {}), sealing)  # a passphrase or recipient that is none is known before the work begins
    tools = find_tools()
    async with open_cut(installation.databases) as cut:
        await tools.check(max(connection.get_server_version().major for connection in cut.connections.values()))
        entries = {service: await _describe(service, connection) for service, connection in cut.connections.items()}
        log = await _describe_log(cut.connections["billing"], installation.values["ATELIER_LOG_ORIGIN"])
        digests = await _read_digests(cut)
        await _dump(tools, installation, cut, folder)
    # After the cut: each object of a row that the dumps hold was stored before it.
    objects = await Bucket(installation.storage).save(folder, digests, copy=copy_objects)
    sums = {name: digest_of(folder / name) for name in [*(entry.file for entry in entries.values()), files.OBJECTS]}
    material = SecretMaterial(installation.values, installation.files, dict(broker), sums)
    _write(folder / files.KEYS, seal(material, sealing))
    written = Manifest(
        format=files.FORMAT,
        atelier=version("atelier-local"),
        cut_at=cut.at.isoformat(),
        ended_at=datetime.now(UTC).isoformat(),
        pause_ms=cut.pause_ms,
        databases=entries,
        log=log,
        objects=objects,
        keys=sealing.kind,
        files={**sums, files.KEYS: digest_of(folder / files.KEYS)},
    )
    write_manifest(folder, written)
    return written


async def _dump(tools: PostgresTools, installation: Installation, cut: Cut, draft: Path) -> None:
    async with asyncio.TaskGroup() as group:
        for service, snapshot in cut.snapshots.items():
            file = draft / f"{service}.dump"
            group.create_task(tools.dump(installation.databases[service], snapshot, file))


def _write(file: Path, content: bytes) -> None:
    file.write_bytes(content)


async def _describe(service: str, connection: "asyncpg.Connection[Any]") -> DatabaseEntry:
    heads = [row["version_num"] for row in await connection.fetch("SELECT version_num FROM alembic_version ORDER BY 1")]
    rows = {table: await connection.fetchval(f"SELECT count(*) FROM {table}") for table in COUNTED[service]}
    return DatabaseEntry(f"{service}.dump", heads, await connection.fetchval("SHOW server_version"), rows)


async def _describe_log(connection: "asyncpg.Connection[Any]", origin: str) -> LogEntry:
    size = await connection.fetchval("SELECT COALESCE(max(position) + 1, 0) FROM log_entries")
    note = await connection.fetchval("SELECT note FROM log_checkpoints ORDER BY size DESC LIMIT 1")
    return LogEntry(size, origin, note)


async def _read_digests(cut: Cut) -> dict[str, str]:
    return {
        row["key"]: row["sha256"]
        for service, query in DIGESTS.items()
        for row in await cut.connections[service].fetch(query)
    }


def describe(written: Manifest, folder: Path) -> list[tuple[str, str]]:
    """What was saved, as lines of a name and a sentence."""
    objects = written.objects
    counts = [
        (service, ", ".join(f"{rows} {table}" for table, rows in entry.rows.items()))
        for service, entry in written.databases.items()
    ]
    return [
        ("cut", f"{written.cut_at}, commits held back for {written.pause_ms} ms"),
        *counts,
        ("log", f"{written.log.size} entries of {written.log.origin}"),
        (
            "objects",
            f"{objects.count} of {objects.bytes / 1e6:.1f} MB, {'copied' if objects.copied else 'listed, not copied'}",
        ),
        ("keys", f"sealed by {written.keys}"),
        ("backup", str(folder)),
    ]

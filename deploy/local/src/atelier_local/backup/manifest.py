"""The manifest of a backup: what it holds, of which versions, from when, and the SHA-256 of every file."""

import json
from dataclasses import asdict, dataclass
from hashlib import file_digest
from pathlib import Path
from typing import Any

from atelier_local.errors import StackError

FORMAT = 1
MANIFEST = "manifest.json"
KEYS = "keys.age"
OBJECTS = "objects.jsonl"
COPIES = "objects"


@dataclass(frozen=True)
class DatabaseEntry:
    """One database: its dump, the migrations it has, the server it was on."""

    file: str
    heads: list[str]
    server: str
    rows: dict[str, int]
    """Of the tables that show how much there is."""


@dataclass(frozen=True)
class LogEntry:
    """The transparency log at the cut. ``checkpoint`` is the last one that the database holds."""

    size: int
    origin: str
    checkpoint: str | None


@dataclass(frozen=True)
class ObjectsEntry:
    """The bucket: only listed, or copied."""

    copied: bool
    count: int
    bytes: int


@dataclass(frozen=True)
class Manifest:
    """Times are ISO 8601, UTC."""

    format: int
    atelier: str
    cut_at: str
    ended_at: str
    pause_ms: int
    databases: dict[str, DatabaseEntry]
    log: LogEntry
    objects: ObjectsEntry
    keys: str
    files: dict[str, str]
    """SHA-256 of each file but this one and the copies, which are named by theirs."""


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Written last: a folder without one is no backup."""
    (folder / MANIFEST).write_text(json.dumps(asdict(manifest), indent=2) + "\n")


def read_manifest(folder: Path) -> Manifest:
    """Raises StackError where there is none, or none that this version reads."""
    try:
        content: dict[str, Any] = json.loads((folder / MANIFEST).read_text())
    except FileNotFoundError:
        raise StackError(f"{folder} holds no backup: it has no {MANIFEST}") from None
    except (OSError, ValueError) as error:
        raise StackError(f"the {MANIFEST} in {folder} cannot be read: {error}") from None
    if content.get("format") != FORMAT:
        raise StackError(f"the backup has format {content.get('format')}, this version of Atelier reads {FORMAT}")
    try:
        return Manifest(
            **{
                **content,
                "databases": {name: DatabaseEntry(**entry) for name, entry in content["databases"].items()},
                "log": LogEntry(**content["log"]),
                "objects": ObjectsEntry(**content["objects"]),
            }
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise StackError(f"the {MANIFEST} in {folder} is not whole: {error}") from None


def digest_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def check_files(folder: Path, manifest: Manifest) -> None:
    """Raises StackError naming the first file that is missing or not as it was written."""
    for name, digest in manifest.files.items():
        path = folder / name
        if not path.is_file():
            raise StackError(f"the backup is not whole: {name} is missing")
        if digest_of(path) != digest:
            raise StackError(f"the backup was altered: {name} has not the SHA-256 that the manifest says")

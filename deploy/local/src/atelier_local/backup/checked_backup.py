"""What must be true of a backup before the first change: it is whole, it opens, its migrations are known, its log does
not fork."""

from dataclasses import dataclass
from pathlib import Path

from atelier_local.backup import manifest as files
from atelier_local.backup.manifest import Manifest, check_files, read_manifest
from atelier_local.backup.objects import check_copies
from atelier_local.backup.schema_versions import known_revisions
from atelier_local.backup.sealed_keys import Sealing, SecretMaterial, open_sealed
from atelier_local.errors import StackError

DOCS = "docs/operations/backup.md"


@dataclass(frozen=True)
class CheckedBackup:
    """A backup that is whole, can be opened, and is of a version that this one continues."""

    folder: Path
    manifest: Manifest
    material: SecretMaterial
    log_origin: str
    """The name under which the log goes on."""
    log_fate: str
    """How the log goes on, in one sentence."""


@dataclass(frozen=True)
class OutsideLog:
    """What is known of the log outside the backup: the last checkpoint that was kept, and a name to go on under."""

    checkpoint: str | None = None
    new_origin: str | None = None


def check_backup(folder: Path, sealing: Sealing, outside: OutsideLog) -> CheckedBackup:
    """Raises StackError, one sentence, where the backup cannot be restored; nothing was changed then."""
    manifest = read_manifest(folder)
    check_files(folder, manifest)
    material = open_sealed((folder / files.KEYS).read_bytes(), sealing)
    if altered := [name for name, digest in material.digests.items() if manifest.files.get(name) != digest]:
        raise StackError(
            f"the backup was altered: {altered[0]} and its SHA-256 in the manifest are not those that were sealed"
        )
    if manifest.objects.copied:
        check_copies(folder)
    for service, entry in manifest.databases.items():
        if unknown := set(entry.heads) - known_revisions(service):
            raise StackError(
                f"the backup is of Atelier {manifest.atelier} with the migration {min(unknown)} of {service}, which "
                "this version does not know: restore it with the version that made it, or a later one"
            )
    origin, fate = judge_log(manifest, outside)
    return CheckedBackup(folder, manifest, material, origin, fate)


def judge_log(manifest: Manifest, outside: OutsideLog) -> tuple[str, str]:
    """The name under which the log goes on, and a sentence on it. Raises StackError where it was rolled back behind a
    checkpoint that was published, and no new name was given: under the old one it would fork."""
    log = manifest.log
    origin = outside.new_origin or log.origin
    if outside.checkpoint is None:
        return (
            origin,
            f"{log.size} entries; no checkpoint from outside was given, so entries after the cut may be missing",
        )
    lines = outside.checkpoint.split("\n")
    try:
        signed_origin, signed = lines[0], int(lines[1])
    except (IndexError, ValueError):
        raise StackError("the checkpoint from outside has not the lines of a checkpoint: origin, size, root") from None
    if signed_origin != log.origin:
        raise StackError(f"the checkpoint from outside is of the log {signed_origin}, the backup holds {log.origin}")
    if signed <= log.size:
        return (
            origin,
            f"{log.size} entries, which the checkpoint from outside ({signed}) does not exceed: nothing is missing",
        )
    rollback = f"log rolled back to size {log.size}; {signed - log.size} entries after the cut are lost"
    if outside.new_origin is None or outside.new_origin == log.origin:
        raise StackError(
            f"{rollback}: a checkpoint of {signed} is published, and under its name the log would fork; give it a new "
            f"name with --log-origin (see {DOCS})"
        )
    return origin, f"{rollback}; it goes on as {origin}"

"""What a restore looks at before its first change, and what lies in a backup in plain text: no servers are needed."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyrage  # type: ignore[import-untyped]
import pytest
from typer.testing import CliRunner

from atelier_local.backup import manifest as files
from atelier_local.backup.checked_backup import OutsideLog, check_backup, judge_log
from atelier_local.backup.dumps import find_tools
from atelier_local.backup.manifest import DatabaseEntry, LogEntry, Manifest, ObjectsEntry, digest_of, write_manifest
from atelier_local.backup.sealed_keys import Sealing, SecretMaterial, open_sealed, seal
from atelier_local.cli import app
from atelier_local.errors import MissingPart, StackError

PASSPHRASE = "a long enough passphrase"
HOLDER = pyrage.x25519.Identity.generate()
TO_HOLDER, BY_HOLDER = Sealing(recipients=[str(HOLDER.to_public())]), Sealing(identity=str(HOLDER))
"""A passphrase takes a second of processor time each time, on purpose."""
PEPPER = "the pepper of all keys"
ORIGIN = "localhost/atelier/first"
HEADS = {"gateway": "0010", "session": "0007", "billing": "0011", "render": "0005"}


def make_backup(folder: Path, sealing: Sealing = TO_HOLDER, **changes: object) -> Manifest:
    """One with four dumps that are none, and a copied object."""
    copy = b"a picture"
    (folder / files.COPIES).mkdir(parents=True)
    (folder / files.COPIES / "x").write_bytes(copy)
    digest = digest_of(folder / files.COPIES / "x")
    (folder / files.COPIES / "x").rename(folder / files.COPIES / digest)
    listed = {"key": "stores/a/1.png", "size": 9, "etag": "e", "content_type": "image/png", "sha256": digest}
    (folder / files.OBJECTS).write_text(json.dumps(listed) + "\n")
    for service in HEADS:
        (folder / f"{service}.dump").write_bytes(service.encode())
    sums = {name: digest_of(folder / name) for name in [*(f"{service}.dump" for service in HEADS), files.OBJECTS]}
    material = SecretMaterial({"ATELIER_KEY_PEPPER": PEPPER}, {"signing-keys.pem": "PEM"}, {}, sums)
    (folder / files.KEYS).write_bytes(seal(material, sealing))
    entries = {service: DatabaseEntry(f"{service}.dump", [head], "18.6", {}) for service, head in HEADS.items()}
    manifest = Manifest(
        format=files.FORMAT,
        atelier="0.3.0",
        cut_at="2026-11-30T12:00:00+00:00",
        ended_at="2026-11-30T12:00:09+00:00",
        pause_ms=12,
        databases=entries,
        log=LogEntry(40, ORIGIN, None),
        objects=ObjectsEntry(copied=True, count=1, bytes=9),
        keys="age passphrase",
        files={**sums, files.KEYS: digest_of(folder / files.KEYS)},
    )
    manifest = replace(manifest, **changes)  # type: ignore[arg-type]
    write_manifest(folder, manifest)
    return manifest


def checkpoint(size: int, origin: str = ORIGIN) -> str:
    return f"{origin}\n{size}\nAAAA\n\n— {origin} BBBB\n"


@pytest.mark.stack  # it looks into the migrations of the services, which this package does not declare
def test_a_whole_backup_passes_and_gives_its_keys_back(tmp_path: Path) -> None:
    make_backup(tmp_path / "b")

    checked = check_backup(tmp_path / "b", BY_HOLDER, OutsideLog(checkpoint(40)))

    assert checked.material.values["ATELIER_KEY_PEPPER"] == PEPPER
    assert (checked.log_origin, "nothing is missing" in checked.log_fate) == (ORIGIN, True)


def alter_dump(folder: Path) -> None:
    (folder / "billing.dump").write_bytes(b"billinG")


def alter_dump_and_manifest(folder: Path) -> None:
    alter_dump(folder)
    content = json.loads((folder / files.MANIFEST).read_text())
    content["files"]["billing.dump"] = digest_of(folder / "billing.dump")
    (folder / files.MANIFEST).write_text(json.dumps(content))


def alter_copy(folder: Path) -> None:
    [copy] = (folder / files.COPIES).iterdir()
    copy.write_bytes(b"A picture")


def alter_keys(folder: Path) -> None:
    content = bytearray((folder / files.KEYS).read_bytes())
    content[-1] ^= 1
    (folder / files.KEYS).write_bytes(content)
    manifest = json.loads((folder / files.MANIFEST).read_text())
    manifest["files"][files.KEYS] = digest_of(folder / files.KEYS)
    (folder / files.MANIFEST).write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (alter_dump, "the backup was altered: billing.dump has not the SHA-256"),
        (alter_dump_and_manifest, "the backup was altered: billing.dump and its SHA-256 in the manifest"),
        (alter_copy, "the backup was altered: the copy of stores/a/1.png"),
        (alter_keys, "the keys of the backup cannot be opened"),
        (lambda folder: (folder / "render.dump").unlink(), "the backup is not whole: render.dump is missing"),
        (lambda folder: (folder / files.MANIFEST).unlink(), "holds no backup: it has no manifest.json"),
        (lambda folder: (folder / files.MANIFEST).write_text("{"), "cannot be read"),
        (lambda folder: (folder / files.MANIFEST).write_text('{"format": 9}'), "has format 9, this version"),
        (lambda folder: (folder / files.MANIFEST).write_text('{"format": 1}'), "is not whole"),
    ],
)
def test_an_altered_backup_is_refused_in_one_sentence(
    tmp_path: Path, spoil: Callable[[Path], object], sentence: str
) -> None:
    make_backup(tmp_path / "b")
    spoil(tmp_path / "b")

    with pytest.raises(StackError, match=sentence) as refused:
        check_backup(tmp_path / "b", BY_HOLDER, OutsideLog())

    assert "\n" not in str(refused.value)


@pytest.mark.stack  # it looks into the migrations of the services, which this package does not declare
def test_a_migration_that_this_version_does_not_know_is_named(tmp_path: Path) -> None:
    newer = {service: DatabaseEntry(f"{service}.dump", ["9999"], "18.6", {}) for service in HEADS}
    make_backup(tmp_path / "b", databases=newer, atelier="9.0.0")

    with pytest.raises(StackError, match=r"Atelier 9\.0\.0 with the migration 9999 of gateway"):
        check_backup(tmp_path / "b", BY_HOLDER, OutsideLog())


def test_the_command_says_one_sentence_and_changes_nothing(tmp_path: Path) -> None:
    make_backup(tmp_path / "b", Sealing(PASSPHRASE))
    environment = {"ATELIER_BACKUP_PASSPHRASE": "another passphrase", "ATELIER_RUN_DIR": str(tmp_path / "run")}

    result = CliRunner().invoke(app, ["restore", str(tmp_path / "b"), "--profile", "fresh"], env=environment)

    assert result.exit_code == 1
    assert result.output.startswith("the keys of the backup cannot be opened, wrong passphrase or key")
    assert not (tmp_path / "run").exists()


def test_a_backup_needs_a_folder_of_its_own_and_a_passphrase_of_some_length(tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()

    full = CliRunner().invoke(app, ["backup", str(tmp_path / "full")], env={"ATELIER_BACKUP_PASSPHRASE": PASSPHRASE})

    assert (full.exit_code, "not empty" in full.output) == (1, True)
    with pytest.raises(StackError, match="at least 12 characters"):
        seal(SecretMaterial({}, {}), Sealing("short"))


def test_a_log_behind_a_published_checkpoint_is_not_restored_under_its_own_name(tmp_path: Path) -> None:
    manifest = make_backup(tmp_path / "b")

    with pytest.raises(StackError, match="log rolled back to size 40; 7 entries after the cut are lost"):
        judge_log(manifest, OutsideLog(checkpoint(47)))
    with pytest.raises(StackError, match="would fork"):
        judge_log(manifest, OutsideLog(checkpoint(47), ORIGIN))
    with pytest.raises(StackError, match="of the log localhost/other"):
        judge_log(manifest, OutsideLog(checkpoint(47, "localhost/other")))
    origin, fate = judge_log(manifest, OutsideLog(checkpoint(47), f"{ORIGIN}/2"))

    assert origin == f"{ORIGIN}/2"
    assert fate.startswith("log rolled back to size 40; 7 entries after the cut are lost")
    assert "no checkpoint from outside" in judge_log(manifest, OutsideLog())[1]


def test_no_secret_lies_in_the_folder_in_plain_text_and_any_age_opens_the_keys(tmp_path: Path) -> None:
    make_backup(tmp_path / "b", Sealing(PASSPHRASE))

    for file in (tmp_path / "b").rglob("*"):
        assert file.is_dir() or PEPPER.encode() not in file.read_bytes(), file
    sealed = (tmp_path / "b" / files.KEYS).read_bytes()
    assert sealed.startswith(b"age-encryption.org/v1\n")
    assert PEPPER in pyrage.passphrase.decrypt(sealed, PASSPHRASE).decode()


def test_keys_are_sealed_for_the_holder_of_a_private_key_who_alone_opens_them() -> None:
    other = pyrage.x25519.Identity.generate()
    material = SecretMaterial({"ATELIER_KEY_PEPPER": PEPPER}, {})

    sealed = seal(material, TO_HOLDER)

    assert open_sealed(sealed, BY_HOLDER) == material
    with pytest.raises(StackError, match="wrong passphrase or key"):
        open_sealed(sealed, Sealing(identity=str(other)))
    with pytest.raises(StackError, match="no private key of age"):
        open_sealed(sealed, Sealing(identity="hello"))
    with pytest.raises(StackError, match="no public key of age"):
        seal(material, Sealing(recipients=["age1nonsense"]))


async def test_a_pg_dump_older_than_the_server_is_named_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="cannot dump a server of version 99"):
        await find_tools().check(99)
    with pytest.raises(StackError, match="has no pg_dump"):
        find_tools({"ATELIER_PG_BIN": str(tmp_path)})
    assert issubclass(MissingPart, StackError)

"""``atelier backup`` and ``atelier restore``."""

import asyncio
import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from atelier_local import terminal_text
from atelier_local.backup.checked_backup import OutsideLog, check_backup
from atelier_local.backup.installation import find_installation, owner_variable
from atelier_local.backup.restoration import check_profile, restore_environment, restore_profile
from atelier_local.backup.sealed_keys import Sealing
from atelier_local.backup.subscriber_users import export_users
from atelier_local.backup.writer import check_free, describe, draft_of, write_backup
from atelier_local.cli_errors import command_text, report_errors
from atelier_local.connection import ProfileName
from atelier_local.errors import StackError
from atelier_local.launcher.live_display import WIDTH_IN_A_PIPE

PASSPHRASE = "ATELIER_BACKUP_PASSPHRASE"
Folder = Annotated[Path, typer.Argument(metavar="DIR", help="the folder of the backup")]
PassphraseFile = Annotated[
    Path | None,
    typer.Option(
        exists=True, dir_okay=False, help=f"its first line is the passphrase; else {PASSPHRASE}, else it is asked for"
    ),
]
console = Console(soft_wrap=True, highlight=False, width=None if sys.stdout.isatty() else WIDTH_IN_A_PIPE)


def backup(
    folder: Folder,
    passphrase_file: PassphraseFile = None,
    recipient: Annotated[
        list[str] | None,
        typer.Option(help="seal the keys for the holder of this age key (age1…), in place of a passphrase"),
    ] = None,
    copy_objects: Annotated[
        bool, typer.Option("--copy-objects", help="copy each object of the bucket; else they are listed")
    ] = False,
    profile: ProfileName = None,
) -> None:
    """Save the running installation without stopping it: four databases at one cut, the bucket, the keys sealed."""
    with report_errors():
        check_free(folder)
        sealing = Sealing(recipients=recipient) if recipient else Sealing(_find_passphrase(passphrase_file, twice=True))
        installation = find_installation(profile)
        broker = {}
        if installation.amqp_url is None:
            _print("subscribers", "not saved: no broker is named by ATELIER_AMQP_URL")
        else:
            try:
                broker = export_users(profile, installation.amqp_url)
            except StackError as error:
                _print("subscribers", f"their broker users are not saved: {error}")
        with draft_of(folder) as draft:
            written = asyncio.run(write_backup(installation, draft, sealing, broker, copy_objects=copy_objects))
        for name, sentence in describe(written, folder):
            _print(name, sentence)


def restore(
    folder: Folder,
    passphrase_file: PassphraseFile = None,
    identity: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="a file with the age key (AGE-SECRET-KEY-…) it was sealed for"),
    ] = None,
    checkpoint: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="the last checkpoint of the log that was kept outside"),
    ] = None,
    log_origin: Annotated[
        str | None, typer.Option(help="a new name for a log that is rolled back behind that checkpoint")
    ] = None,
    keys_to: Annotated[
        Path | None, typer.Option(help="restore what the environment names, and write the keys into this folder")
    ] = None,
    profile: ProfileName = None,
) -> None:
    """Restore a backup into a new profile, or into empty databases that the environment names (--keys-to)."""
    with report_errors():
        if profile is None and keys_to is None:
            raise StackError(
                "say where to: --profile NAME for a new local stack, or --keys-to FOLDER with "
                f"{owner_variable('gateway')} and so on in the environment"
            )
        stack = check_profile(profile) if profile is not None else None
        if keys_to is not None:
            check_free(keys_to)
        sealing = Sealing(identity=_read_key(identity)) if identity else Sealing(_find_passphrase(passphrase_file))
        outside = OutsideLog(checkpoint.read_text() if checkpoint else None, log_origin)
        checked = check_backup(folder, sealing, outside)
        if stack is not None:
            asyncio.run(restore_profile(stack, checked, outside, _print))
        elif keys_to is not None:
            asyncio.run(restore_environment(checked, keys_to, _print))
        _print("log", checked.log_fate)
        _print("cut", f"{checked.manifest.cut_at}: what happened later is not in it")
        if stack is not None:
            _print(
                "next", f"{command_text('up', stack.name)}, then admin ledger verify, admin log verify, admin reconcile"
            )


def _print(name: str, sentence: str) -> None:
    console.print(terminal_text.field_line(name, sentence))


def _read_key(file: Path) -> str:
    """Its first line that is no comment, as age-keygen writes them."""
    return next((line for line in file.read_text().splitlines() if line and not line.startswith("#")), "")


def _find_passphrase(file: Path | None, *, twice: bool = False) -> str:
    if file is not None:
        return (file.read_text().splitlines() or [""])[0]
    if given := os.environ.get(PASSPHRASE):
        return given
    if not sys.stdin.isatty():
        raise StackError(f"no passphrase was given: name a file with --passphrase-file, or set {PASSPHRASE}")
    return str(typer.prompt("Passphrase", hide_input=True, confirmation_prompt=twice))

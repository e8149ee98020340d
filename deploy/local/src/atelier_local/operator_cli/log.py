"""``atelier admin log``: the transparency log of postings and receipts."""

from pathlib import Path
from typing import Annotated, Any

import typer

from atelier_local import terminal_text
from atelier_local.api_client.operations_client import OperationsClient
from atelier_local.connection import ProfileName
from atelier_local.operator_cli.admin_call import call, console

log = typer.Typer(no_args_is_help=True, help="The transparency log of postings and receipts.")
Kept = Annotated[
    Path | None,
    typer.Option(exists=True, dir_okay=False, help="a checkpoint you kept; otherwise the file that billing writes"),
]


@log.command("verify")
def verify(checkpoint: Kept = None, profile: ProfileName = None) -> None:
    """Recompute the log from the books and compare it with a checkpoint; exit 1 and list what is wrong."""
    note = checkpoint.read_text() if checkpoint else None

    async def act(admin: OperationsClient) -> dict[str, Any]:
        return await admin.verify_log(note)

    found = call(profile, act)
    style = "green" if found["ok"] else "bold red"
    console.print(terminal_text.field_line("log", _sentence(found), style))
    if not found["ok"]:
        raise typer.Exit(1)


def _sentence(found: dict[str, Any]) -> str:
    size, compared = found["size"], found["compared_size"]
    outside = f"compared with a checkpoint of {compared}" if compared else "NOT compared with any checkpoint"
    if found["ok"]:
        return f"in order: {size} entries, each as on the books, {outside}"
    violations = "".join(f"\n  - {violation}" for violation in found["violations"])
    return f"NOT in order: {size} entries, {outside}{violations}"

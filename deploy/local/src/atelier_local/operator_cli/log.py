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


@log.command("status")
def status(
    start: Annotated[bool, typer.Option("--start", help="start a verification as a job first")] = False,
    profile: ProfileName = None,
) -> None:
    """Show the log, its checkpoints outside the database and the last verification; exit 1 if that failed."""

    async def act(admin: OperationsClient) -> dict[str, Any]:
        if start:
            await admin.start_log_verification()
        return await admin.log_status()

    found = call(profile, act)
    console.print(
        terminal_text.field_line("log", f"{found['size']} entries, {found['signed_size'] or 0} of them signed")
    )
    for store in found["outside"]:
        holds = store["error"] or (f"signs {store['size']}" if store["size"] else "no checkpoint that can be read")
        console.print(terminal_text.field_line("outside", f"{store['store']}: {holds}"))
    if running := found["running"]:
        console.print(terminal_text.field_line("verifying", f"{running['size']} of {running['total']} entries"))
    console.print(terminal_text.field_line("verified", _last(found["last"])))
    if found["last"] and found["last"]["state"] == "failed":
        raise typer.Exit(1)


def _last(job: dict[str, Any] | None) -> str:
    if job is None:
        return "never"
    outside = f"compared with a checkpoint of {job['compared_size']}" if job["compared_size"] else "not compared"
    lines = "".join(f"\n  - {violation}" for violation in job["violations"])
    return f"{job['state']} at {job['ended_at'][:19]}: {job['size']} entries, {outside}{lines}"


def _sentence(found: dict[str, Any]) -> str:
    size, compared = found["size"], found["compared_size"]
    outside = f"compared with a checkpoint of {compared}" if compared else "NOT compared with any checkpoint"
    if found["ok"]:
        return f"in order: {size} entries, each as on the books, {outside}"
    violations = "".join(f"\n  - {violation}" for violation in found["violations"])
    return f"NOT in order: {size} entries, {outside}{violations}"

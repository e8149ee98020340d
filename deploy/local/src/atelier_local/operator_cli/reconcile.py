"""``atelier admin reconcile``: compare what all services have on record, and repair what disagrees."""

import json
import sys
from typing import Annotated, Any, Literal

import typer

from atelier_local import terminal_text
from atelier_local.api_client.operations_client import RECONCILE, OperationsClient
from atelier_local.connection import ProfileName
from atelier_local.operator_cli.admin_call import call, console

Scope = Literal["recent", "full", "bytes"]
FINDINGS_MAX = 1_000


def reconcile(
    scope: Annotated[
        Scope, typer.Option(help="the latest generations, all, or all with every artefact's bytes")
    ] = "full",
    apply: Annotated[bool, typer.Option("--apply", help="send the commands that repair what was found")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print run, findings and repairs as JSON")] = False,
    profile: ProfileName = None,
) -> None:
    """Compare sagas, holds, render jobs and stored artefacts; exit 1 and list the disagreements if there are any."""

    async def act(admin: OperationsClient) -> dict[str, Any]:
        run = await admin.reconcile(scope, lambda run: None if as_json else _show(run))
        findings = await admin.list_rows("findings", f"{RECONCILE}/findings", FINDINGS_MAX)
        sent = await admin.repair() if apply and findings else []
        return {"run": run, "findings": findings, "sent": sent}

    found = call(profile, act)
    if as_json:
        sys.stdout.write(json.dumps(found, indent=2) + "\n")
    else:
        _print(found)
    if found["findings"]:
        raise typer.Exit(1)


def _show(run: dict[str, Any]) -> None:
    console.print(terminal_text.field_line("running", _progress(run)))


def _progress(run: dict[str, Any]) -> str:
    objects = f"{run['objects']} objects and " if run.get("objects") else ""
    return f"{objects}{run['checked']} generations compared"


def _print(found: dict[str, Any]) -> None:
    run, findings = found["run"], found["findings"]
    agrees = f"{_progress(run)}, {run['in_flight']} in flight"
    console.print(terminal_text.field_line("records", f"{agrees}, {len(findings)} findings"))
    if findings:
        console.print(terminal_text.table_of(findings, "kind", "subject", "details", "first_seen_at", "repair"))
    for line in found["sent"]:
        console.print(terminal_text.field_line("repair", line))

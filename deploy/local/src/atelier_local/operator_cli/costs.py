"""``atelier admin costs``: what the promise costs."""

import json
import sys
from typing import Annotated, Any

import typer

from atelier_local import terminal_text
from atelier_local.api_client.operations_client import OperationsClient
from atelier_local.connection import ProfileName
from atelier_local.operator_cli.admin_call import call, console

MICROS = 1_000_000
MONEY = ("revenue", "cost", "waste", "exposure", "margin")


def costs(
    by: Annotated[str, typer.Option(help="provider, model, day, separated by commas")] = "provider",
    since: Annotated[
        str | None, typer.Option("--from", help="a day or a moment; this month's first by default")
    ] = None,
    until: Annotated[str | None, typer.Option("--to", help="not included; now by default")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print the report as JSON")] = False,
    profile: ProfileName = None,
) -> None:
    """Show revenue, providers' cost, waste, exposure of unknown outcomes, and margin."""
    asked = {name: value for name, value in (("by", by), ("from", since), ("to", until)) if value is not None}

    async def act(admin: OperationsClient) -> dict[str, Any]:
        return await admin.get_costs(asked)

    report = call(profile, act)
    if as_json:
        sys.stdout.write(json.dumps(report, indent=2) + "\n")
        return
    total, currency = report["totals"], report["currency"]
    console.print(terminal_text.field_line("period", f"{report['from']} to {report['to']}"))
    for name in MONEY:
        console.print(terminal_text.field_line(name, money(total[f"{name}_micros"], currency)))
    console.print(terminal_text.field_line("unknown", f"{total['unknown']} of {total['submissions']} submissions"))
    if total["unpriced"]:
        missing = f"{total['unpriced']} submissions have no declared price: their cost is missing"
        console.print(terminal_text.field_line("unpriced", missing, "yellow"))
    if report["by"] and report["data"]:
        rows = [_cells(row, report["by"]) for row in report["data"]]
        console.print(terminal_text.table_of(rows, *report["by"], "charged", *MONEY))


def money(micros: int | None, currency: str | None) -> str:
    """An amount of whole micro-units as people read it, without a float."""
    if micros is None or currency is None:
        return "not declared"
    whole, rest = divmod(abs(micros), MICROS)
    return f"{'-' if micros < 0 else ''}{whole}.{rest:06d} {currency}"


def _cells(row: dict[str, Any], by: list[str]) -> dict[str, Any]:
    amounts = {name: _amount(row[f"{name}_micros"]) for name in MONEY}
    return {name: row[name] or "-" for name in by} | {"charged": row["charged"]} | amounts


def _amount(micros: int | None) -> str:
    return "-" if micros is None else money(micros, "").rstrip()

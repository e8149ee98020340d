"""``atelier admin disputes``: what customers say is broken, the evidence, and the decisions left to an operator."""

from typing import Annotated, Any, Literal

import typer

from atelier_local import terminal_text
from atelier_local.api_client.operations_client import DISPUTES, OperationsClient
from atelier_local.connection import ProfileName
from atelier_local.operator_cli.admin_call import AsJson, Id, call, console, print_json, print_rows

ROWS_MAX = 1_000
Status = Literal["review", "refunding", "refunded", "declined"]
disputes = typer.Typer(no_args_is_help=True, help="What customers say is broken, and how it was decided.")


@disputes.command("list")
def list_disputes(
    status: Annotated[Status | None, typer.Option(help="review: those that wait for a decision")] = None,
    profile: ProfileName = None,
    as_json: AsJson = False,
) -> None:
    """List disputes, the newest first."""
    rows = call(profile, lambda admin: admin.list_rows("disputes", DISPUTES, ROWS_MAX, status=status))
    columns = ("id", "status", "generation_id", "outputs", "reason", "rule", "credits", "created_at")
    print_rows(rows, *columns, as_json=as_json, line=_line)


@disputes.command("show")
def show_dispute(id: Id, profile: ProfileName = None, as_json: AsJson = False) -> None:
    """Show a dispute with its evidence."""
    found = call(profile, lambda admin: admin.get_dispute(str(id)))
    if as_json:
        print_json(found)
    else:
        _print(found)


@disputes.command("decide")
def decide_dispute(
    id: Id,
    decision: Annotated[Literal["refund", "decline"], typer.Argument(help="refund or decline")],
    reason: Annotated[str, typer.Option(help="why; the customer sees it")],
    credits: Annotated[
        int | None, typer.Option(min=1, help="how many are returned; otherwise the price of the disputed outputs")
    ] = None,
    profile: ProfileName = None,
) -> None:
    """Decide a dispute that waits for an operator."""

    async def act(admin: OperationsClient) -> dict[str, Any]:
        return await admin.decide_dispute(str(id), decision, reason=reason, credits=credits)

    _print(call(profile, act))


def _line(row: dict[str, Any]) -> dict[str, Any]:
    return row | {"outputs": ", ".join(map(str, row["outputs"]))}


def _print(dispute: dict[str, Any]) -> None:
    says = f"{dispute['status']}, {dispute['credits']} credits; {dispute['explanation']}"
    console.print(terminal_text.field_line("dispute", says))
    console.print(terminal_text.field_line("customer", f"{dispute['reason']}: {dispute['text'] or '-'}"))
    checks = [{"output": each["output"], **check} for each in dispute["evidence"] for check in each["checks"]]
    console.print(terminal_text.table_of(checks, "output", "name", "result", "details"))

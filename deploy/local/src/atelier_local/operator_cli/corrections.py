"""``atelier admin credits``: return a charge, take back a mistaken grant."""

from typing import Annotated, Any
from uuid import UUID

import typer

from atelier_local import terminal_text
from atelier_local.api_client.api_models import OwnerKind
from atelier_local.connection import ProfileName
from atelier_local.operator_cli.admin_call import Id, call, console, key_of

credits_commands = typer.Typer(no_args_is_help=True, help="Corrections of credits: each posted once, with its reason.")
Amount = Annotated[int | None, typer.Argument(min=1, help="all without it")]
Reason = Annotated[str, typer.Option(help="why; recorded in the ledger")]
Again = Annotated[bool, typer.Option("--again", help="correct it again, although it was corrected before")]


@credits_commands.command("return")
def return_charge(
    generation: Id, reason: Reason, credits: Amount = None, again: Again = False, profile: ProfileName = None
) -> None:
    """Return what was charged for a generation, in full or in part; a repeated command returns once."""
    key = key_of("return", generation, credits, reason, again=again)
    _print(
        call(profile, lambda admin: admin.return_charge(str(generation), credits, reason=reason, key=key)), "returned"
    )


@credits_commands.command("take-back")
def take_back(
    kind: Annotated[OwnerKind, typer.Argument(help="store, user or workspace")],
    id: Id,
    reason: Reason,
    credits: Amount = None,
    grant: Annotated[UUID | None, typer.Option(help="of this grant alone")] = None,
    again: Again = False,
    profile: ProfileName = None,
) -> None:
    """Take back granted credits, as many of them as are available; a repeated command takes once."""
    key = key_of("take back", kind, id, credits, grant, reason, again=again)
    of_grant = str(grant) if grant else None
    found = call(profile, lambda admin: admin.take_back(kind, str(id), credits, grant=of_grant, reason=reason, key=key))
    _print(found, "taken back")


def _print(correction: dict[str, Any], done: str) -> None:
    if correction["credits"] is None:
        console.print(terminal_text.field_line("credits", "billing has not answered yet; it will be posted", "yellow"))
        return
    before = " before; nothing moved now" if correction["corrected_before"] else ""
    moved = f"{correction['credits']} {done}{before}, {correction['available']} available"
    console.print(terminal_text.field_line("credits", moved))

"""``atelier admin dead-letters show`` and ``discard``: over the admin API, with bodies, and with a note that stays."""

from typing import Annotated

import typer

from atelier_local import terminal_text
from atelier_local.connection import ProfileName
from atelier_local.operator_cli.admin_call import call, console
from atelier_local.operator_cli.generations import AsJson, print_json

PATH = "/v1/admin/dead-letters"
Queue = Annotated[str, typer.Argument(help="as billing.commands")]
COLUMNS = ("frame", "name", "subject", "reason", "dead_at", "body")


def show_dead_letters(queue: Queue, profile: ProfileName = None, as_json: AsJson = False) -> None:
    """Show a queue's dead letters with their bodies, and the frame by which each is discarded."""
    found = call(profile, lambda admin: admin.ask("show the dead letters", "GET", f"{PATH}/{queue}"))
    if as_json:
        print_json(found["data"])
    else:
        console.print(terminal_text.table_of(found["data"], *COLUMNS))


def discard_dead_letters(
    queue: Queue,
    frames: Annotated[list[str], typer.Argument(help="as `show` prints them")],
    reason: Annotated[str, typer.Option(help="why; kept in the audit log")],
    profile: ProfileName = None,
) -> None:
    """Discard dead letters for good; the reason and their frames stay in the audit log."""
    order = {"reason": reason, "frames": frames}
    gone = call(profile, lambda admin: admin.ask("discard the letters", "POST", f"{PATH}/{queue}/discard", order))
    console.print(terminal_text.field_line(queue, f"{gone['frames']} discarded"))

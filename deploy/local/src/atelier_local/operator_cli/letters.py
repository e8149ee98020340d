"""``atelier admin dead-letters``: over the admin API, with bodies, and with a note that stays; over the broker."""

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Annotated, Any

import typer
from rich.console import Console

from atelier_local import terminal_text
from atelier_local.cli_errors import report_errors
from atelier_local.connection import ProfileName, find_connection
from atelier_local.errors import AtelierError
from atelier_local.operator_cli.admin_call import AsJson, T, call, console, print_rows

PATH = "/v1/admin/dead-letters"
Queue = Annotated[str, typer.Argument(help="as billing.commands")]
Reason = Annotated[str, typer.Option(help="why; kept in the audit log")]
Vouch = Annotated[
    bool,
    typer.Option("--vouch", help="also those refused for their sender: you confirm that the right service sent them"),
]
COLUMNS = ("frame", "name", "subject", "reason", "dead_at", "body")
dead_letters = typer.Typer(no_args_is_help=True, help="Messages that could not be handled.")


@dead_letters.command("show")
def show_dead_letters(queue: Queue, profile: ProfileName = None, as_json: AsJson = False) -> None:
    """Show a queue's dead letters with their bodies, and the frame by which each is discarded."""
    found = call(profile, lambda admin: admin.ask("show the dead letters", "GET", f"{PATH}/{queue}"))
    print_rows(found["data"], *COLUMNS, as_json=as_json)


@dead_letters.command("discard")
def discard_dead_letters(
    queue: Queue,
    frames: Annotated[list[str], typer.Argument(help="as `show` prints them")],
    reason: Reason,
    profile: ProfileName = None,
) -> None:
    """Discard dead letters for good; the reason and their frames stay in the audit log."""
    order = {"reason": reason, "frames": frames}
    gone = call(profile, lambda admin: admin.ask("discard the letters", "POST", f"{PATH}/{queue}/discard", order))
    console.print(terminal_text.field_line(queue, f"{gone['frames']} discarded"))


@dead_letters.command("list")
def list_dead_letters(queue: Queue, profile: ProfileName = None) -> None:
    """List a queue's dead letters without removing them."""
    from atelier_messaging.dead_letters import list_dead

    letters = _call_broker(profile, queue, list_dead)
    found = [(letter.name, letter.subject, letter.reason) for letter in letters]
    Console(highlight=False).print(terminal_text.dead_letters(queue, found))


@dead_letters.command("redrive")
def redrive_dead_letters(queue: Queue, vouch: Vouch = False, profile: ProfileName = None) -> None:
    """Put a queue's dead letters back into it, once their cause is fixed."""
    from atelier_messaging.dead_letters import redrive

    moved = _call_broker(profile, queue, partial(redrive, vouch=vouch))
    console.print(terminal_text.field_line(queue, f"{moved} sent again"))


def _call_broker(profile: str | None, queue: str, act: Callable[[str, str], Coroutine[Any, Any, T]]) -> T:
    from aio_pika.exceptions import AMQPError

    from atelier_contracts.routes import ROUTES

    with report_errors():
        if queue not in ROUTES:
            raise AtelierError(f"There is no queue {queue}; the queues are {', '.join(ROUTES)}.")
        url = find_connection(profile).amqp_url
        try:
            return asyncio.run(act(url, queue))
        except (AMQPError, OSError) as error:
            raise AtelierError(
                f"Broker unavailable at the configured address: {error!r}. Check `atelier status` and try again."
            ) from None

"""``atelier admin``: the commands of an operator, each one call of the admin API."""

import asyncio
import hashlib
import secrets
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any

import typer
from aio_pika.exceptions import AMQPError
from rich.console import Console

from atelier_contracts.routes import ROUTES
from atelier_local import terminal_text
from atelier_local.api_client.api_models import OwnerKind, Verdict
from atelier_local.api_client.client import AdminClient
from atelier_local.cli_errors import report_errors
from atelier_local.connection import ProfileName, find_connection
from atelier_local.errors import AtelierError
from atelier_local.operator_cli.admin_call import Id, T, call, console
from atelier_local.operator_cli.caps import caps
from atelier_local.operator_cli.corrections import credits_commands
from atelier_local.operator_cli.costs import costs
from atelier_local.operator_cli.customers import stores, users, workspaces
from atelier_local.operator_cli.disputes import disputes
from atelier_local.operator_cli.generations import find, generations, show_overview
from atelier_local.operator_cli.letters import discard_dead_letters, show_dead_letters
from atelier_local.operator_cli.log import log
from atelier_local.operator_cli.operators import list_acts, operators
from atelier_local.operator_cli.reconcile import reconcile
from atelier_local.operator_cli.subscriptions import subscriptions
from atelier_messaging import dead_letters

Kind = Annotated[OwnerKind, typer.Argument(help="store, user or workspace")]
Queue = Annotated[str, typer.Argument(help=", ".join(ROUTES))]
Vouch = Annotated[
    bool,
    typer.Option("--vouch", help="also those refused for their sender: you confirm that the right service sent them"),
]

app = typer.Typer(
    no_args_is_help=True, help="What an operator does: customers, credits, the ledger, timelines, dead letters."
)
ledger = typer.Typer(no_args_is_help=True, help="The ledger.")
dead_letter_commands = typer.Typer(no_args_is_help=True, help="Messages that could not be handled.")
for name, group in {
    "stores": stores,
    "users": users,
    "workspaces": workspaces,
    "operators": operators,
    "subscriptions": subscriptions,
    "generations": generations,
    "credits": credits_commands,
    "caps": caps,
    "ledger": ledger,
    "log": log,
    "disputes": disputes,
    "dead-letters": dead_letter_commands,
}.items():
    app.add_typer(group, name=name)
app.command("acts")(list_acts)
app.command("reconcile")(reconcile)
app.command("costs")(costs)
app.command("find")(find)
app.command("overview")(show_overview)
dead_letter_commands.command("show")(show_dead_letters)
dead_letter_commands.command("discard")(discard_dead_letters)


@app.command()
def grant(
    kind: Kind,
    id: Id,
    credits: Annotated[int, typer.Argument(min=1)],
    reason: Annotated[str, typer.Option(help="why; recorded in the ledger")],
    expires_at: Annotated[datetime | None, typer.Option(help="UTC unless it says otherwise")] = None,
    priority: Annotated[int | None, typer.Option(help="which grants are spent first")] = None,
    again: Annotated[bool, typer.Option("--again", help="grant it again, although it was granted before")] = False,
    profile: ProfileName = None,
) -> None:
    """Grant credits; a repeated command grants once.

    The Idempotency-Key is computed from owner, credits, reason, expiry and priority: an equal grant is the same grant,
    on any day and from any terminal, unless --again is given.
    """
    until = expires_at.replace(tzinfo=expires_at.tzinfo or UTC) if expires_at else None
    key = secrets.token_hex(16) if again else grant_key(kind, id, credits, reason, until, priority)

    async def act(admin: AdminClient) -> tuple[bool, str]:
        grant = await admin.grant(
            kind, str(id), credits, reason=reason, expires_at=until, priority=priority, idempotency_key=key
        )
        return grant.given_before, terminal_text.balance(await admin.balance(kind, str(id)))

    given_before, after = call(profile, act)
    if given_before:
        console.print(
            terminal_text.field_line("grant", "given before, nothing granted now; --again grants it again", "yellow")
        )
    console.print(terminal_text.field_line("balance", after))


def grant_key(*parts: object) -> str:
    """A key that depends on all its arguments."""
    return f"cli-{hashlib.sha256(repr([str(part) for part in parts]).encode()).hexdigest()[:40]}"


@app.command()
def balance(kind: Kind, id: Id, profile: ProfileName = None) -> None:
    """Show what an owner has, and where it went."""
    console.print(
        terminal_text.field_line(
            "balance", terminal_text.balance(call(profile, lambda admin: admin.balance(kind, str(id))))
        )
    )


@ledger.command("verify")
def verify_ledger(
    profile: ProfileName = None,
    full: Annotated[
        bool, typer.Option("--full", help="every posting from the first on; minutes in large books")
    ] = False,
) -> None:
    """Verify the ledger; exit 1 and list the violations if there are any."""

    async def act(admin: AdminClient) -> Verdict:
        if full:
            return await admin.prove_ledger(lambda proof: console.print(terminal_text.proof_line(proof)))
        return await admin.verify_ledger()

    verdict = call(profile, act)
    console.print(terminal_text.ledger_line(verdict))
    if not verdict.ok:
        raise typer.Exit(1)


@app.command()
def explain(id: Id, profile: ProfileName = None) -> None:
    """Show the timeline of a generation: each step, message and posting in order."""
    Console(highlight=False).print(terminal_text.timeline(call(profile, lambda admin: admin.explain(str(id)))))


@dead_letter_commands.command("list")
def list_dead_letters(queue: Queue, profile: ProfileName = None) -> None:
    """List a queue's dead letters without removing them."""
    letters = _call_broker(profile, queue, dead_letters.list_dead)
    found = [(letter.name, letter.subject, letter.reason) for letter in letters]
    Console(highlight=False).print(terminal_text.dead_letters(queue, found))


@dead_letter_commands.command("redrive")
def redrive_dead_letters(queue: Queue, vouch: Vouch = False, profile: ProfileName = None) -> None:
    """Put a queue's dead letters back into it, once their cause is fixed."""
    moved = _call_broker(profile, queue, partial(dead_letters.redrive, vouch=vouch))
    console.print(terminal_text.field_line(queue, f"{moved} sent again"))


def _call_broker(profile: str | None, queue: str, act: Callable[[str, str], Coroutine[Any, Any, T]]) -> T:
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

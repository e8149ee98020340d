"""``atelier admin``: the commands of an operator, each one call of the admin API."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, ClassVar

import typer

from atelier_local import terminal_text
from atelier_local.api_client.api_models import OwnerKind, Verdict
from atelier_local.api_client.client import AdminClient
from atelier_local.connection import ProfileName
from atelier_local.deferred_commands import DeferredCommands
from atelier_local.operator_cli.admin_call import AsJson, Id, call, console, key_of, print_json

Kind = Annotated[OwnerKind, typer.Argument(help="store, user or workspace")]
HERE = "atelier_local.operator_cli"


class OperatorCommands(DeferredCommands):
    """All commands of ``atelier admin`` but those below."""

    places: ClassVar[Mapping[str, str]] = {
        "overview": f"{HERE}.generations:show_overview",
        "find": f"{HERE}.generations:find",
        "generations": f"{HERE}.generations:generations",
        "explain": f"{HERE}.generations:explain",
        "failures": f"{HERE}.failures:show_failures",
        "refusals": f"{HERE}.failures:list_refusals",
        "holds": f"{HERE}.failures:list_holds",
        "upgrade": f"{HERE}.failures:show_readiness",
        "providers": f"{HERE}.providers:providers",
        "webhooks": f"{HERE}.webhooks:webhooks",
        "dead-letters": f"{HERE}.letters:dead_letters",
        "stores": f"{HERE}.customers:stores",
        "users": f"{HERE}.customers:users",
        "workspaces": f"{HERE}.customers:workspaces",
        "credits": f"{HERE}.corrections:credits_commands",
        "caps": f"{HERE}.caps:caps",
        "disputes": f"{HERE}.disputes:disputes",
        "costs": f"{HERE}.costs:costs",
        "log": f"{HERE}.log:log",
        "reconcile": f"{HERE}.reconcile:reconcile",
        "subscriptions": f"{HERE}.subscriptions:subscriptions",
        "operators": f"{HERE}.operators:operators",
        "acts": f"{HERE}.operators:list_acts",
    }


app = typer.Typer(
    cls=OperatorCommands,
    no_args_is_help=True,
    help="What an operator does: customers, credits, the ledger, timelines, dead letters.",
)
ledger = typer.Typer(no_args_is_help=True, help="The ledger.")
app.add_typer(ledger, name="ledger")


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
    key = key_of(kind, id, credits, reason, until, priority, again=again)

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


@app.command()
def balance(kind: Kind, id: Id, profile: ProfileName = None, as_json: AsJson = False) -> None:
    """Show what an owner has, and where it went."""
    now = call(profile, lambda admin: admin.balance(kind, str(id)))
    if as_json:
        print_json(now.model_dump(mode="json"))
    else:
        console.print(terminal_text.field_line("balance", terminal_text.balance(now)))


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

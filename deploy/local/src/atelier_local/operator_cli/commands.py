"""``atelier admin``: what an operator does, one command an act, each one call of the admin API."""

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
from atelier_local import formatting
from atelier_local.api_client.api_models import OwnerKind, Verdict
from atelier_local.api_client.client import AdminClient, AtelierError
from atelier_local.cli_errors import sentences
from atelier_local.connection import ProfileName, access
from atelier_local.operator_cli.admin_call import Id, T, call, console
from atelier_local.operator_cli.customers import stores, users, workspaces
from atelier_local.operator_cli.operators import list_acts, operators
from atelier_messaging import dead_letters

Kind = Annotated[OwnerKind, typer.Argument(help="store, user or workspace")]
Queue = Annotated[str, typer.Argument(help=", ".join(ROUTES))]
Vouch = Annotated[
    bool,
    typer.Option("--vouch", help="also for those refused for their sender: you say that the right service sent them"),
]

app = typer.Typer(no_args_is_help=True, help="What an operator does: customers, credits, books, stories, dead letters.")
ledger = typer.Typer(no_args_is_help=True, help="The books.")
graves = typer.Typer(no_args_is_help=True, help="Messages that could not be handled.")
for name, group in {
    "stores": stores,
    "users": users,
    "workspaces": workspaces,
    "operators": operators,
    "ledger": ledger,
    "dead-letters": graves,
}.items():
    app.add_typer(group, name=name)
app.command("acts")(list_acts)


@app.command()
def grant(
    kind: Kind,
    id: Id,
    credits: Annotated[int, typer.Argument(min=1)],
    reason: Annotated[str, typer.Option(help="why; it stands in the books")],
    expires_at: Annotated[datetime | None, typer.Option(help="UTC unless it says otherwise")] = None,
    priority: Annotated[int | None, typer.Option(help="which grants are spent first")] = None,
    again: Annotated[bool, typer.Option("--again", help="give it once more, although it was given before")] = False,
    profile: ProfileName = None,
) -> None:
    """Grant credits; typed twice it is given once.

    The Idempotency-Key is made of all that is said here (owner, credits, reason, expiry, priority): an equal grant is
    the same grant, on whatever day and from whatever terminal, unless --again says otherwise.
    """
    until = expires_at.replace(tzinfo=expires_at.tzinfo or UTC) if expires_at else None
    key = secrets.token_hex(16) if again else grant_key(kind, id, credits, reason, until, priority)

    async def act(admin: AdminClient) -> tuple[bool, str]:
        given = await admin.grant(
            kind, str(id), credits, reason=reason, expires_at=until, priority=priority, idempotency_key=key
        )
        return given.given_before, formatting.balance(await admin.balance(kind, str(id)))

    given_before, after = call(profile, act)
    if given_before:
        console.print(formatting.labelled("grant", "given before, and not now; --again gives it once more", "yellow"))
    console.print(formatting.labelled("balance", after))


def grant_key(*said: object) -> str:
    """The same words, the same key."""
    return f"cli-{hashlib.sha256(repr([str(word) for word in said]).encode()).hexdigest()[:40]}"


@app.command()
def balance(kind: Kind, id: Id, profile: ProfileName = None) -> None:
    """Show what an owner has, and where it went."""
    console.print(
        formatting.labelled("balance", formatting.balance(call(profile, lambda admin: admin.balance(kind, str(id)))))
    )


@ledger.command("verify")
def verify_ledger(
    profile: ProfileName = None,
    full: Annotated[
        bool, typer.Option("--full", help="every posting from the first on; minutes in large books")
    ] = False,
) -> None:
    """Prove the books; exit 1 and say what is wrong when they are."""

    async def act(admin: AdminClient) -> Verdict:
        if full:
            return await admin.prove_ledger(lambda proof: console.print(formatting.progress(proof)))
        return await admin.verify_ledger()

    verdict = call(profile, act)
    console.print(formatting.books(verdict))
    if not verdict.ok:
        raise typer.Exit(1)


@app.command()
def explain(id: Id, profile: ProfileName = None) -> None:
    """Tell the story of a generation: each step, message and posting in order."""
    Console(highlight=False).print(formatting.story(call(profile, lambda admin: admin.explain(str(id)))))


@graves.command("list")
def list_dead_letters(queue: Queue, profile: ProfileName = None) -> None:
    """Show what lies in a queue's dead letters, and leave it there."""
    letters = _at_the_broker(profile, queue, dead_letters.list_dead)
    found = [(letter.name, letter.subject, letter.reason) for letter in letters]
    Console(highlight=False).print(formatting.dead_letters(queue, found))


@graves.command("redrive")
def redrive_dead_letters(queue: Queue, vouch: Vouch = False, profile: ProfileName = None) -> None:
    """Put a queue's dead letters back into it: to be done once what broke them is mended."""
    moved = _at_the_broker(profile, queue, partial(dead_letters.redrive, vouch=vouch))
    console.print(formatting.labelled(queue, f"{moved} sent again"))


def _at_the_broker(profile: str | None, queue: str, act: Callable[[str, str], Coroutine[Any, Any, T]]) -> T:
    with sentences():
        if queue not in ROUTES:
            raise AtelierError(f"There is no queue {queue}; there are {', '.join(ROUTES)}.")
        url = access(profile).amqp_url
        try:
            return asyncio.run(act(url, queue))
        except (AMQPError, OSError) as failed:
            raise AtelierError(f"The broker did not do it: {failed!r}.") from None

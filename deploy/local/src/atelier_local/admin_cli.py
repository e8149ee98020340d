"""``atelier admin``: what an operator does, one command an act, each one call of the admin API."""

import asyncio
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any, TypeVar
from uuid import UUID

import typer
from aio_pika.exceptions import AMQPError
from rich.console import Console

from atelier_contracts.routes import ROUTES
from atelier_local import views
from atelier_local.access import ProfileName, access
from atelier_local.answers import OwnerKind, Verdict
from atelier_local.client import AdminClient, AtelierError
from atelier_local.sentences import sentences
from atelier_messaging import dead_letters

T = TypeVar("T")
Kind = Annotated[OwnerKind, typer.Argument(help="store, user or workspace")]
Id = Annotated[UUID, typer.Argument()]
Queue = Annotated[str, typer.Argument(help=", ".join(ROUTES))]
Vouch = Annotated[
    bool,
    typer.Option("--vouch", help="also for those refused for their sender: you say that the right service sent them"),
]

app = typer.Typer(no_args_is_help=True, help="What an operator does: stores, credits, books, stories, dead letters.")
stores = typer.Typer(no_args_is_help=True, help="Businesses with an API key.")
users = typer.Typer(no_args_is_help=True, help="People with a token.")
workspaces = typer.Typer(no_args_is_help=True, help="People who share credits.")
ledger = typer.Typer(no_args_is_help=True, help="The books.")
graves = typer.Typer(no_args_is_help=True, help="Messages that could not be handled.")
for name, group in {
    "stores": stores,
    "users": users,
    "workspaces": workspaces,
    "ledger": ledger,
    "dead-letters": graves,
}.items():
    app.add_typer(group, name=name)
console = Console(soft_wrap=True, highlight=False)


@stores.command("create")
def create_store(name: str, profile: ProfileName = None) -> None:
    """Create a store; its API key is shown this once."""
    store = _ask(profile, lambda admin: admin.create_store(name))
    console.print(views.labelled("store", store.id), views.labelled("api key", store.api_key), sep="\n")


@users.command("create")
def create_user(email: str, profile: ProfileName = None) -> None:
    """Create a user."""
    console.print(views.labelled("user", _ask(profile, lambda admin: admin.create_user(email))))


@users.command("token")
def issue_token(id: Id, profile: ProfileName = None) -> None:
    """Print a token of the development issuer, and nothing else: good for $(…)."""
    console.print(_ask(profile, lambda admin: admin.issue_token(str(id))), markup=False)


@users.command("disable")
def disable_user(id: Id, profile: ProfileName = None, undo: bool = False) -> None:
    """Shut a user out (--undo lets them in again)."""
    _ask(profile, lambda admin: admin.disable_user(str(id), disabled=not undo))
    console.print(views.labelled("user", f"{id} is {'enabled' if undo else 'disabled'}"))


@workspaces.command("create")
def create_workspace(
    name: str,
    member: Annotated[list[UUID], typer.Option(help="a user's id; repeat it")],
    profile: ProfileName = None,
) -> None:
    """Create a workspace with its members."""
    members = [str(id) for id in member]
    console.print(views.labelled("workspace", _ask(profile, lambda admin: admin.create_workspace(name, members))))


@app.command()
def grant(
    kind: Kind,
    id: Id,
    credits: Annotated[int, typer.Argument(min=1)],
    reason: Annotated[str, typer.Option(help="why; it stands in the books")],
    expires_at: Annotated[datetime | None, typer.Option(help="UTC unless it says otherwise")] = None,
    priority: Annotated[int | None, typer.Option(help="which grants are spent first")] = None,
    profile: ProfileName = None,
) -> None:
    """Grant credits."""
    until = expires_at.replace(tzinfo=expires_at.tzinfo or UTC) if expires_at else None

    async def act(admin: AdminClient) -> str:
        await admin.grant(kind, str(id), credits, reason=reason, expires_at=until, priority=priority)
        return views.balance(await admin.balance(kind, str(id)))

    console.print(views.labelled("balance", _ask(profile, act)))


@app.command()
def balance(kind: Kind, id: Id, profile: ProfileName = None) -> None:
    """Show what an owner has, and where it went."""
    console.print(views.labelled("balance", views.balance(_ask(profile, lambda admin: admin.balance(kind, str(id))))))


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
            return await admin.prove_ledger(lambda proof: console.print(views.progress(proof)))
        return await admin.verify_ledger()

    verdict = _ask(profile, act)
    console.print(views.books(verdict))
    if not verdict.ok:
        raise typer.Exit(1)


@app.command()
def explain(id: Id, profile: ProfileName = None) -> None:
    """Tell the story of a generation: each step, message and posting in order."""
    Console(highlight=False).print(views.story(_ask(profile, lambda admin: admin.explain(str(id)))))


@graves.command("list")
def list_dead_letters(queue: Queue, profile: ProfileName = None) -> None:
    """Show what lies in a queue's dead letters, and leave it there."""
    letters = _at_the_broker(profile, queue, dead_letters.list_dead)
    found = [(letter.name, letter.subject, letter.reason) for letter in letters]
    Console(highlight=False).print(views.dead_letters(queue, found))


@graves.command("redrive")
def redrive_dead_letters(queue: Queue, vouch: Vouch = False, profile: ProfileName = None) -> None:
    """Put a queue's dead letters back into it: to be done once what broke them is mended."""
    moved = _at_the_broker(profile, queue, partial(dead_letters.redrive, vouch=vouch))
    console.print(views.labelled(queue, f"{moved} sent again"))


def _at_the_broker(profile: str | None, queue: str, act: Callable[[str, str], Coroutine[Any, Any, T]]) -> T:
    with sentences():
        if queue not in ROUTES:
            raise AtelierError(f"There is no queue {queue}; there are {', '.join(ROUTES)}.")
        url = access(profile).amqp_url
        try:
            return asyncio.run(act(url, queue))
        except (AMQPError, OSError) as failed:
            raise AtelierError(f"The broker did not do it: {failed!r}.") from None


def _ask(profile: str | None, act: Callable[[AdminClient], Coroutine[Any, Any, T]]) -> T:
    async def asked() -> T:
        to = access(profile)
        async with AdminClient(to.operations_url, to.admin_token) as admin:
            return await act(admin)

    with sentences():
        return asyncio.run(asked())

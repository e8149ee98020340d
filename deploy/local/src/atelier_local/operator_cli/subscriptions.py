"""``atelier admin subscriptions``: who receives public events. The queue and its broker user are made here, with the
operator's rights; what is published to it is the gateway's."""

import asyncio
import re
import secrets
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

import typer
from aio_pika.exceptions import AMQPError

from atelier_contracts.public_events import PUBLIC_EVENTS, SUBSCRIPTION_NAME, subscription_queue
from atelier_local import terminal_text
from atelier_local.cli_errors import report_errors
from atelier_local.connection import ProfileName, find_connection
from atelier_local.errors import AtelierError
from atelier_local.operator_cli.admin_call import AsJson, T, call, console, print_rows
from atelier_local.operator_cli.broker_users import address_for, broker_users
from atelier_messaging import subscriptions as queues

PATH = "/v1/admin/subscriptions"
COLUMNS = ("name", "behind", "queued", "consumers", "paused_at", "events")
Name = Annotated[str, typer.Argument(help="lower case: a letter, then letters, digits and hyphens")]
Events = Annotated[str, typer.Option(help="types, separated by commas; without it all", metavar="TYPE,…")]
Beginning = Annotated[bool, typer.Option("--from-beginning", help="all events that are kept")]
Since = Annotated[datetime | None, typer.Option(help="events of this time or later; UTC unless it says otherwise")]
After = Annotated[UUID | None, typer.Option(help="events after the one of this id")]
subscriptions = typer.Typer(no_args_is_help=True, help="Subscriptions of internal services to public events.")


@subscriptions.command("list")
def list_subscriptions(profile: ProfileName = None, as_json: AsJson = False) -> None:
    """List subscriptions, with what waits for each."""
    rows = call(profile, lambda admin: admin.ask("list the subscriptions", "GET", PATH))["data"]
    print_rows(rows, *COLUMNS, as_json=as_json, line=lambda row: row | {"events": _short(row["events"])})


@subscriptions.command("events")
def list_events() -> None:
    """List the events one can subscribe to."""
    for type, kind in PUBLIC_EVENTS.items():
        console.print(terminal_text.field_line(type, " ".join((kind.__doc__ or "").split())))


@subscriptions.command("create")
def create_subscription(
    name: Name,
    events: Events = "",
    from_beginning: Beginning = False,
    since: Since = None,
    after: After = None,
    profile: ProfileName = None,
) -> None:
    """Create a subscription: its queue with dead letters, and a broker user that reads it alone.

    The user's password is shown only now.
    """
    types = [type.strip() for type in events.split(",") if type.strip()]
    body = {"name": name, "events": types, "start": _start(from_beginning, since, after)}
    _check(name, types)
    if any(row["name"] == name for row in call(profile, lambda admin: admin.ask("list", "GET", PATH))["data"]):
        with report_errors():
            raise AtelierError(f"There is a subscription {name} already.")
    _run(profile, lambda url: queues.declare_subscription(url, name))
    address = _make_user(profile, name)
    call(profile, lambda admin: admin.ask("create the subscription", "POST", PATH, body))
    console.print(
        terminal_text.field_line("queue", subscription_queue(name)),
        terminal_text.field_line("address", address),
        sep="\n",
    )


@subscriptions.command("password")
def replace_password(name: Name, profile: ProfileName = None) -> None:
    """Replace the password of a subscription's broker user, shown only now; the old one stops working."""
    _find(profile, name)
    console.print(terminal_text.field_line("address", _make_user(profile, name)))


@subscriptions.command("pause")
def pause_subscription(name: Name, profile: ProfileName = None) -> None:
    """Pause a subscription; its events wait."""
    _change(profile, name, paused=True)
    console.print(terminal_text.field_line(name, "paused; its events wait"))


@subscriptions.command("resume")
def resume_subscription(name: Name, profile: ProfileName = None) -> None:
    """Resume a subscription; it receives what happened since."""
    _change(profile, name, paused=False)
    console.print(terminal_text.field_line(name, "resumed"))


@subscriptions.command("replay")
def replay_subscription(
    name: Name,
    from_beginning: Beginning = False,
    since: Since = None,
    after: After = None,
    profile: ProfileName = None,
) -> None:
    """Publish events to one subscription again; others receive nothing of it."""
    start = _start(from_beginning, since, after)
    if not start:
        with report_errors():
            raise AtelierError("Say from where: --from-beginning, --since TIME or --after ID.")
    row = call(profile, lambda admin: admin.ask("replay", "POST", f"{PATH}/{name}/replay", start))
    console.print(terminal_text.field_line(name, f"{row['behind']} events of the log are on their way"))


@subscriptions.command("redrive")
def redrive_subscription(name: Name, profile: ProfileName = None) -> None:
    """Put the dead letters of a subscription back into its queue."""
    _find(profile, name)
    moved = _run(profile, lambda url: queues.redrive_subscription(url, name))
    console.print(terminal_text.field_line(name, f"{moved} sent again"))


@subscriptions.command("delete")
def delete_subscription(name: Name, profile: ProfileName = None) -> None:
    """Delete a subscription with its queue, its dead letters and its broker user."""
    call(profile, lambda admin: admin.ask("delete the subscription", "DELETE", f"{PATH}/{name}"))
    _run(profile, lambda url: queues.delete_subscription(url, name))
    with report_errors():
        broker_users(profile, find_connection(profile).amqp_url).delete(name)
    console.print(terminal_text.field_line(name, "deleted"))


def _check(name: str, types: list[str]) -> None:
    with report_errors():
        if not re.fullmatch(SUBSCRIPTION_NAME, name):
            raise AtelierError(f"{name!r} is no name: lower case, a letter, then letters, digits and hyphens.")
        unknown = [type for type in types if type not in PUBLIC_EVENTS]
        if unknown:
            raise AtelierError(f"There is no event {unknown[0]}; the events are {', '.join(PUBLIC_EVENTS)}.")


def _start(from_beginning: bool, since: datetime | None, after: UUID | None) -> dict[str, Any]:
    with report_errors():
        if sum((from_beginning, since is not None, after is not None)) > 1:
            raise AtelierError("Say one of --from-beginning, --since and --after.")
    if since is not None:
        return {"since": since.replace(tzinfo=since.tzinfo or UTC).isoformat()}
    if after is not None:
        return {"after": str(after)}
    return {"from_beginning": True} if from_beginning else {}


def _make_user(profile: str | None, name: str) -> str:
    """The address with which the subscriber logs in."""
    password = secrets.token_urlsafe(24)
    with report_errors():
        url = find_connection(profile).amqp_url
        broker_users(profile, url).create(name, password)
    return address_for(url, name, password)


def _find(profile: str | None, name: str) -> dict[str, Any]:
    return dict(call(profile, lambda admin: admin.ask("find the subscription", "GET", f"{PATH}/{name}")))


def _change(profile: str | None, name: str, *, paused: bool) -> None:
    body = {"paused": paused}
    call(profile, lambda admin: admin.ask("change the subscription", "PATCH", f"{PATH}/{name}", body))


def _short(events: list[str]) -> str:
    return "all" if len(events) == len(PUBLIC_EVENTS) else ", ".join(events)


def _run(profile: str | None, act: Callable[[str], Coroutine[Any, Any, T]]) -> T:
    with report_errors():
        try:
            return asyncio.run(act(find_connection(profile).amqp_url))
        except (AMQPError, OSError, TimeoutError) as error:
            raise AtelierError(
                f"Broker unavailable at the configured address: {error!r}. Check `atelier status` and try again."
            ) from None

"""``atelier admin find``, ``overview`` and ``generations``: everything at a glance, anything in it, one generation."""

from typing import Annotated, Any, Literal
from uuid import UUID

import typer
from rich.console import Console

from atelier_local import terminal_text
from atelier_local.connection import ProfileName
from atelier_local.operator_cli.admin_call import AsJson, Id, Limit, call, console, key_of, print_json, print_rows

PATH = "/v1/admin/generations"
State = Literal["open", "accepted", "queued", "rendering", "delivering", "succeeded", "failed", "cancelled", "expired"]
Reason = Annotated[str, typer.Option(help="why; kept in the audit log")]
COLUMNS = ("id", "state", "kind", "surface", "owner", "charged", "created_at", "error")
generations = typer.Typer(no_args_is_help=True, help="Generations of all owners: list, show, cancel, render again.")


@generations.command("list")
def list_generations(
    state: Annotated[State | None, typer.Option(help="open: all that have not ended, the oldest first")] = None,
    kind: Annotated[str | None, typer.Option(help="as try_on or image")] = None,
    surface: Annotated[str | None, typer.Option(help="as b2b or native")] = None,
    store: Annotated[UUID | None, typer.Option(help="of this store alone")] = None,
    older_than_s: Annotated[int | None, typer.Option(min=1, help="with --state open: accepted so long ago")] = None,
    profile: ProfileName = None,
    limit: Limit = 20,
    as_json: AsJson = False,
) -> None:
    """List generations, the newest first."""
    filters = {"state": state, "kind": kind, "surface": surface}
    filters |= {"owner_kind": "store", "owner_id": str(store)} if store else {}
    filters |= {"older_than_s": str(older_than_s)} if older_than_s else {}
    rows = call(profile, lambda admin: admin.list_rows("generations", PATH, limit, **filters))
    print_rows(rows, *COLUMNS, as_json=as_json, line=_line)


@generations.command("show")
def show_generation(id: Id, profile: ProfileName = None) -> None:
    """Show a generation with what its client asked for, as JSON; `atelier admin explain` tells its story."""
    print_json(call(profile, lambda admin: admin.ask("show the generation", "GET", f"{PATH}/{id}")))


@generations.command("cancel")
def cancel_generation(id: Id, reason: Reason, profile: ProfileName = None, as_json: AsJson = False) -> None:
    """Cancel a generation that has not ended; its credits go back to its owner."""
    body = {"reason": reason}
    now = call(profile, lambda admin: admin.ask("cancel the generation", "POST", f"{PATH}/{id}/cancel", body))
    if as_json:
        print_json(now)
    else:
        console.print(terminal_text.field_line("generation", str(now["state"])))


@generations.command("rerender")
def rerender_generation(
    id: Id,
    reason: Reason,
    again: Annotated[bool, typer.Option("--again", help="once more, although it was ordered before")] = False,
    profile: ProfileName = None,
    as_json: AsJson = False,
) -> None:
    """Render a generation that has ended once more, for free; a repeated command makes one.

    It is held and charged as always, and its charge is given back when it has ended.
    """
    key = key_of("rerender", id, reason, again=again)
    made = call(profile, lambda admin: admin.rerender(str(id), reason=reason, key=key))
    if as_json:
        print_json(made)
    else:
        console.print(terminal_text.field_line("generation", str(made["id"])))


def explain(id: Id, profile: ProfileName = None, as_json: AsJson = False) -> None:
    """Show the timeline of a generation: each step, message and posting in order."""
    story = call(profile, lambda admin: admin.explain(str(id)))
    if as_json:
        print_json(story)
    else:
        Console(highlight=False).print(terminal_text.timeline(story))


def find(
    text: Annotated[str, typer.Argument(help="an id, e-mail, key or its prefix, request, trace, order or name")],
    profile: ProfileName = None,
    as_json: AsJson = False,
) -> None:
    """Find anything by whatever is known of it."""
    found = call(profile, lambda admin: admin.search(text))
    print_rows(found["data"], "kind", "id", "title", as_json=as_json)


def show_overview(profile: ProfileName = None, as_json: AsJson = False) -> None:
    """Show the installation at a glance: rate, what is in flight, who answers, providers."""
    seen: dict[str, Any] = call(profile, lambda admin: admin.ask("show the overview", "GET", "/v1/admin/overview"))
    if as_json:
        return print_json(seen)
    recent = seen["recent"]
    console.print(terminal_text.field_line("accepted", f"{recent['accepted']} within {recent['seconds']} s"))
    for each in seen["services"]:
        says = f"answers, {each['outbox_pending']} messages unsent" if each["answers"] else each["reason"]
        console.print(terminal_text.field_line(each["service"], says, "" if each["answers"] else "yellow"))
    console.print(terminal_text.table_of(seen["open"], "state", "number", "oldest_s", "oldest_id", "resent"))
    providers = [row for row in seen["providers"] if row["breaker"] != "unknown"]
    console.print(terminal_text.table_of(providers, "provider", "breaker", "exposure_micros", "reconciling"))


def _line(row: dict[str, Any]) -> dict[str, Any]:
    owner, error = f"{row['owner']['kind']} {row['owner']['id']}", (row["error"] or {}).get("code")
    return row | {"owner": owner, "charged": row["credits"]["captured"], "error": error}

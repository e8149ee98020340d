"""``atelier admin caps``: the most that an account, one of its keys or one of its members may spend in a period."""

from typing import Annotated, Any, Literal
from uuid import UUID

import typer

from atelier_local import terminal_text
from atelier_local.api_client.api_models import OwnerKind
from atelier_local.connection import ProfileName
from atelier_local.operator_cli.admin_call import AsJson, Id, Limit, call, console, print_rows

caps = typer.Typer(no_args_is_help=True, help="Caps: the most credits that may be spent in a period of UTC.")
Kind = Annotated[OwnerKind, typer.Argument(help="whose credits: store, user or workspace")]
Period = Literal["day", "month", "total"]
Per = Annotated[Period, typer.Option("--per", help="day, month or total")]
Key = Annotated[UUID | None, typer.Option(help="of this API key of the store alone")]
Member = Annotated[UUID | None, typer.Option("--user", help="of this user of the workspace alone")]


@caps.command("list")
def list_caps(kind: Kind, id: Id, profile: ProfileName = None, limit: Limit = 50, as_json: AsJson = False) -> None:
    """List the caps of an account, with what counts towards each."""
    rows = call(profile, lambda admin: admin.list_rows("caps", f"/v1/admin/caps/{kind}/{id}", limit))
    columns = ("spender", "per", "credits", "held", "captured", "remaining", "renews_at")
    print_rows(rows, *columns, as_json=as_json, line=_line)


@caps.command("set")
def set_cap(
    kind: Kind,
    id: Id,
    credits: Annotated[int, typer.Argument(min=0, help="in one period; 0 lets nothing be spent")],
    per: Per,
    key: Key = None,
    user: Member = None,
    recount: Annotated[bool, typer.Option("--recount", help="add up from the holds again what counts")] = False,
    profile: ProfileName = None,
) -> None:
    """Set a cap; a new one counts what is reserved from now on."""
    body = {"credits": credits} | ({"recount": True} if recount else {})
    path = _path(kind, id, per, key, user)
    cap = call(profile, lambda admin: admin.ask("set the cap", "PUT", path, body))
    if "credits" not in cap:
        console.print(terminal_text.field_line("cap", "billing has not answered yet; it will be set", "yellow"))
        return
    used = f"{cap['held']} held and {cap['captured']} captured"
    console.print(terminal_text.field_line("cap", f"{cap['credits']} credits per {per} for {_spender(cap)}, {used}"))


@caps.command("remove")
def remove_cap(kind: Kind, id: Id, per: Per, key: Key = None, user: Member = None, profile: ProfileName = None) -> None:
    """Remove a cap."""
    call(profile, lambda admin: admin.ask("remove the cap", "DELETE", _path(kind, id, per, key, user)))
    console.print(terminal_text.field_line("cap", "removed"))


def _path(kind: str, id: UUID, per: str, key: UUID | None, user: UUID | None) -> str:
    if key is not None and user is not None:
        raise typer.BadParameter("--key and --user exclude each other")
    spender = f"key/{key}" if key else f"user/{user}" if user else f"{kind}/{id}"
    return f"/v1/admin/caps/{kind}/{id}/{spender}/{per}"


def _line(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "spender": _spender(row), "per": row["period"]}


def _spender(cap: dict[str, Any]) -> str:
    return f"{cap['spender']['kind']} {cap['spender']['id']}"

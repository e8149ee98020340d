"""``atelier admin operators`` and ``acts``: who operates the installation, and what they did."""

from typing import Annotated, Literal
from uuid import UUID

import typer

from atelier_local import terminal_text
from atelier_local.connection import ProfileName
from atelier_local.operator_cli.admin_call import AsJson, Id, Limit, call, console, print_json, print_rows

Role = Literal["viewer", "operator", "admin"]
OPERATORS = "/v1/admin/operators"
operators = typer.Typer(
    no_args_is_help=True, help="People who operate this installation, each with a token and a role."
)


@operators.command("list")
def list_operators(profile: ProfileName = None, limit: Limit = 50, as_json: AsJson = False) -> None:
    """List operators, the newest first, the revoked ones too."""
    rows = call(profile, lambda admin: admin.list_rows("operators", OPERATORS, limit))
    columns = ("id", "name", "role", "prefix", "created_at", "last_used_at", "revoked_at")
    print_rows(rows, *columns, as_json=as_json)


@operators.command("create")
def create_operator(
    name: str,
    role: Annotated[Role, typer.Option(help="viewer reads, operator acts on customers, admin manages operators")],
    profile: ProfileName = None,
) -> None:
    """Create an operator; their token is shown only now."""
    created = call(profile, lambda admin: admin.create_operator(name, role))
    console.print(
        terminal_text.field_line("operator", created["id"]),
        terminal_text.field_line("token", created["token"]),
        sep="\n",
    )


@operators.command("role")
def change_role(id: Id, role: Role, profile: ProfileName = None) -> None:
    """Change an operator's role."""
    changed = call(profile, lambda admin: admin.change_role(str(id), role))
    console.print(terminal_text.field_line("operator", f"{changed['name']} is {changed['role']}"))


@operators.command("token")
def replace_token(id: Id, profile: ProfileName = None) -> None:
    """Replace an operator's token, shown only now; the old one stops working."""
    changed = call(profile, lambda admin: admin.replace_token(str(id)))
    console.print(
        terminal_text.field_line("operator", changed["name"]),
        terminal_text.field_line("token", changed["token"]),
        sep="\n",
    )


@operators.command("revoke")
def revoke_operator(id: Id, profile: ProfileName = None) -> None:
    """Revoke an operator's access; what they did stays listed."""
    call(profile, lambda admin: admin.revoke_operator(str(id)))
    console.print(terminal_text.field_line("operator", f"{id} is revoked"))


def list_acts(
    target: Annotated[UUID | None, typer.Option(help="only on this store, user, workspace or operator")] = None,
    operator: Annotated[UUID | None, typer.Option(help="only of this operator")] = None,
    act: Annotated[str | None, typer.Option(help="only these, as store.suspend")] = None,
    profile: ProfileName = None,
    limit: Limit = 50,
    as_json: AsJson = False,
) -> None:
    """List what operators did, the newest first."""
    ids = {"target": target, "operator": operator}
    filters = {name: str(id) for name, id in ids.items() if id} | ({"act": act} if act else {})
    rows = call(profile, lambda admin: admin.list_rows("acts", "/v1/admin/acts", limit, **filters))
    if as_json:
        print_json(rows)
    else:
        console.print(terminal_text.operator_actions(rows))

"""``atelier admin stores``, ``users`` and ``workspaces``: with their keys and members."""

from typing import Annotated
from uuid import UUID

import typer

from atelier_local import terminal_text
from atelier_local.connection import ProfileName
from atelier_local.operator_cli.admin_call import AsJson, Id, Limit, call, console, print_rows

stores = typer.Typer(no_args_is_help=True, help="Businesses with an API key.")
keys = typer.Typer(no_args_is_help=True, help="A store's API keys; two are active at most.")
users = typer.Typer(no_args_is_help=True, help="People with a token.")
workspaces = typer.Typer(no_args_is_help=True, help="People who share credits.")
members = typer.Typer(no_args_is_help=True, help="Who may act for a workspace.")
stores.add_typer(keys, name="keys")
workspaces.add_typer(members, name="members")
Email = Annotated[str | None, typer.Argument(help="all users without it")]


@stores.command("create")
def create_store(name: str, profile: ProfileName = None) -> None:
    """Create a store; its API key is shown this once."""
    store = call(profile, lambda admin: admin.create_store(name))
    console.print(
        terminal_text.field_line("store", store.id), terminal_text.field_line("api key", store.api_key), sep="\n"
    )
    console.print(terminal_text.field_line("key id", store.key_id))


@stores.command("list")
def list_stores(profile: ProfileName = None, limit: Limit = 50, as_json: AsJson = False) -> None:
    """List stores, the newest first."""
    rows = call(profile, lambda admin: admin.list_rows("stores", "/v1/admin/stores", limit))
    print_rows(rows, "id", "name", "created_at", "suspended_at", as_json=as_json)


@stores.command("suspend")
def suspend_store(id: Id, profile: ProfileName = None) -> None:
    """Suspend a store: 403 everywhere within 5 s; generations in progress continue."""
    call(profile, lambda admin: admin.suspend_store(str(id), suspended=True))
    console.print(terminal_text.field_line("store", f"{id} is suspended"))


@stores.command("restore")
def restore_store(id: Id, profile: ProfileName = None) -> None:
    """Restore a suspended store."""
    call(profile, lambda admin: admin.suspend_store(str(id), suspended=False))
    console.print(terminal_text.field_line("store", f"{id} is restored"))


@keys.command("list")
def list_keys(store: Id, profile: ProfileName = None, limit: Limit = 50, as_json: AsJson = False) -> None:
    """List a store's keys, the newest first, the revoked ones too."""
    rows = call(profile, lambda admin: admin.list_rows("keys", f"/v1/admin/stores/{store}/keys", limit))
    columns = ("id", "name", "prefix", "test", "created_at", "last_used_at", "revoked_at")
    print_rows(rows, *columns, as_json=as_json)


@keys.command("create")
def create_key(
    store: Id,
    name: Annotated[str, typer.Option(help="where it is used")],
    test: Annotated[bool, typer.Option("--test", help="for the test account: simulated, test credits")] = False,
    profile: ProfileName = None,
) -> None:
    """Create a second key, for rotation without downtime, or a test key; it is shown only now."""
    key = call(profile, lambda admin: admin.create_key(str(store), name, test=test))
    console.print(
        terminal_text.field_line("key id", key["id"]), terminal_text.field_line("api key", key["api_key"]), sep="\n"
    )


@keys.command("revoke")
def revoke_key(
    store: Id, key: Annotated[str, typer.Argument(help="its id, or its prefix")], profile: ProfileName = None
) -> None:
    """Revoke a key; effective within 5 s."""
    call(profile, lambda admin: admin.revoke_key(str(store), key))
    console.print(terminal_text.field_line("key", f"{key} is revoked"))


@users.command("create")
def create_user(email: str, profile: ProfileName = None) -> None:
    """Create a user."""
    console.print(terminal_text.field_line("user", call(profile, lambda admin: admin.create_user(email))))


@users.command("find")
def find_users(email: Email = None, profile: ProfileName = None, limit: Limit = 50, as_json: AsJson = False) -> None:
    """Find a user by e-mail, whatever its case."""
    rows = call(profile, lambda admin: admin.list_rows("users", "/v1/admin/users", limit, email=email))
    print_rows(rows, "id", "email", "disabled", "created_at", as_json=as_json)


@users.command("token")
def issue_token(id: Id, profile: ProfileName = None) -> None:
    """Print a token of the development issuer, and nothing else, for use in $(…)."""
    console.print(call(profile, lambda admin: admin.issue_token(str(id))), markup=False)


@users.command("disable")
def disable_user(id: Id, profile: ProfileName = None, undo: bool = False) -> None:
    """Disable a user (--undo enables them again)."""
    call(profile, lambda admin: admin.disable_user(str(id), disabled=not undo))
    console.print(terminal_text.field_line("user", f"{id} is {'enabled' if undo else 'disabled'}"))


@workspaces.command("create")
def create_workspace(
    name: str,
    member: Annotated[list[UUID], typer.Option(help="a user's id; repeat it")],
    profile: ProfileName = None,
) -> None:
    """Create a workspace with its members."""
    ids = [str(id) for id in member]
    console.print(terminal_text.field_line("workspace", call(profile, lambda admin: admin.create_workspace(name, ids))))


@workspaces.command("list")
def list_workspaces(
    member: Annotated[UUID | None, typer.Option(help="those that this user belongs to")] = None,
    profile: ProfileName = None,
    limit: Limit = 50,
    as_json: AsJson = False,
) -> None:
    """List workspaces, the newest first."""
    of = str(member) if member else None
    rows = call(profile, lambda admin: admin.list_rows("workspaces", "/v1/admin/workspaces", limit, member=of))
    print_rows(rows, "id", "name", "created_at", as_json=as_json)


@members.command("list")
def list_members(workspace: Id, profile: ProfileName = None, limit: Limit = 50, as_json: AsJson = False) -> None:
    """List who may act for a workspace."""
    rows = call(profile, lambda admin: admin.list_rows("members", f"/v1/admin/workspaces/{workspace}/members", limit))
    print_rows(rows, "id", "email", "disabled", "created_at", as_json=as_json)


@members.command("add")
def add_member(workspace: Id, user: Id, profile: ProfileName = None) -> None:
    """Let a user act for a workspace."""
    call(profile, lambda admin: admin.change_member(str(workspace), str(user), belongs=True))
    console.print(terminal_text.field_line("member", f"{user} belongs to it"))


@members.command("remove")
def remove_member(workspace: Id, user: Id, profile: ProfileName = None) -> None:
    """Take a user out of a workspace; effective within 5 s."""
    call(profile, lambda admin: admin.change_member(str(workspace), str(user), belongs=False))
    console.print(terminal_text.field_line("member", f"{user} is removed"))

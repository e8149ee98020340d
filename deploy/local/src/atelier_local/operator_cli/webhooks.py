"""``atelier admin webhooks``: endpoints and deliveries of all owners, and sending one again."""

from typing import Annotated, Any, Literal
from uuid import UUID

import typer

from atelier_local import terminal_text
from atelier_local.connection import ProfileName
from atelier_local.operator_cli.admin_call import AsJson, Id, Limit, call, console, print_json, print_rows

PATH = "/v1/admin/webhooks"
ENDPOINT_COLUMNS = ("id", "owner", "host", "disabled_at", "disabled_reason", "failing_since", "created_at")
COLUMNS = ("id", "state", "type", "owner", "host", "tries", "answered")
TRY_COLUMNS = ("number", "at", "duration_ms", "status", "error")
webhooks = typer.Typer(no_args_is_help=True, help="Webhooks of all owners: endpoints, deliveries, one more try.")


@webhooks.command("endpoints")
def list_endpoints(profile: ProfileName = None, limit: Limit = 20, as_json: AsJson = False) -> None:
    """List endpoints, the newest first."""
    rows = call(profile, lambda admin: admin.list_rows("endpoints", PATH, limit))
    print_rows(rows, *ENDPOINT_COLUMNS, as_json=as_json, line=_with_owner)


@webhooks.command("list")
def list_deliveries(
    state: Annotated[Literal["failed", "pending", "delivered"] | None, typer.Option()] = None,
    endpoint: Annotated[UUID | None, typer.Option(help="to this endpoint alone")] = None,
    profile: ProfileName = None,
    limit: Limit = 20,
    as_json: AsJson = False,
) -> None:
    """List deliveries, the newest first."""
    filters = {"state": state, "endpoint_id": str(endpoint) if endpoint else None}
    rows = call(profile, lambda admin: admin.list_rows("deliveries", f"{PATH}/deliveries", limit, **filters))
    print_rows(rows, *COLUMNS, as_json=as_json, line=_line)


@webhooks.command("show")
def show_delivery(id: Id, profile: ProfileName = None, as_json: AsJson = False) -> None:
    """Show a delivery with each of its tries."""
    row = call(profile, lambda admin: admin.read("show the delivery", f"{PATH}/deliveries/{id}"))
    if as_json:
        return print_json(row)
    print_rows([row], *COLUMNS, as_json=False, line=_line)
    console.print(terminal_text.table_of(row["attempts"], *TRY_COLUMNS))


@webhooks.command("replay")
def replay_delivery(
    id: Id,
    reason: Annotated[str, typer.Option(help="why; kept in the audit log")],
    profile: ProfileName = None,
    as_json: AsJson = False,
) -> None:
    """Send a delivery once more, under the same id: its receiver knows it again."""

    async def act(admin: Any) -> dict[str, Any]:
        row = await admin.read("find the delivery", f"{PATH}/deliveries/{id}")
        owner = f"/v1/admin/accounts/{row['owner']['kind']}/{row['owner']['id']}"
        answer = await admin.act("send it again", "POST", f"{owner}/deliveries/{id}/replay", reason)
        return dict(answer or row)

    row = call(profile, act)
    if as_json:
        print_json(row)
    else:
        console.print(terminal_text.field_line("delivery", "it is sent once more"))


def _with_owner(row: dict[str, Any]) -> dict[str, Any]:
    return row | {"owner": f"{row['owner']['kind']} {row['owner']['id']}"}


def _line(row: dict[str, Any]) -> dict[str, Any]:
    last = row["attempts"][-1] if row["attempts"] else {}
    return _with_owner(row) | {"tries": len(row["attempts"]), "answered": last.get("error") or last.get("status")}

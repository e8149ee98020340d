"""``atelier admin failures``, ``refusals``, ``holds`` and ``upgrade``: what went wrong, and whether all is in order."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

import typer

from atelier_local import terminal_text
from atelier_local.api_client.api_models import OwnerKind
from atelier_local.connection import ProfileName
from atelier_local.operator_cli.admin_call import AsJson, Limit, call, console, print_json, print_rows

CAUSE_COLUMNS = ("number", "state", "code", "kind", "provider", "owners", "last_at", "message", "example_id")
REFUSAL_COLUMNS = ("last_at", "owner", "number", "code", "surface", "detail", "request_id")
RELEASE_COLUMNS = ("service", "answers", "version", "schema", "dead_letters", "unsent")
HOURS_MAX = 24 * 366
HoldLimit = Annotated[int, typer.Option("--limit", min=1, max=100, help="how many at most")]


def show_failures(
    hours: Annotated[float, typer.Option(min=0.01, max=HOURS_MAX, help="accepted within so many hours")] = 24.0,
    since: Annotated[datetime | None, typer.Option(help="instead of --hours; UTC unless it says otherwise")] = None,
    until: Annotated[datetime | None, typer.Option(help="now without it")] = None,
    profile: ProfileName = None,
    as_json: AsJson = False,
) -> None:
    """Show what failed, by cause, the most frequent first."""
    end = _in_utc(until) if until else datetime.now(UTC)
    begin = _in_utc(since) if since else end - timedelta(hours=hours)
    asked = {"from": begin.isoformat(), "to": end.isoformat()}
    found = call(profile, lambda admin: admin.read("report the failures", "/v1/admin/failures", **asked))
    if as_json:
        return print_json(found)
    rows = [row | {"example_id": next(iter(row["newest"]), None)} for row in found["data"]]
    console.print(terminal_text.table_of(rows, *CAUSE_COLUMNS))
    if not found["is_whole"]:
        console.print(terminal_text.field_line("looked at", f"the newest {found['scanned']} failures", "yellow"))


def list_refusals(
    kind: Annotated[OwnerKind, typer.Option(help="of --owner: store, user or workspace")] = "store",
    owner: Annotated[UUID | None, typer.Option(help="of this owner alone")] = None,
    profile: ProfileName = None,
    limit: Limit = 20,
    as_json: AsJson = False,
) -> None:
    """List refused requests of 30 days, those of the newest hour first."""
    filters = {"owner_kind": kind, "owner_id": str(owner)} if owner else {}
    rows = call(profile, lambda admin: admin.list_rows("refusals", "/v1/admin/refusals", limit, **filters))
    print_rows(rows, *REFUSAL_COLUMNS, as_json=as_json, line=_with_owner)


def list_holds(
    older_than_s: Annotated[int, typer.Option(min=1, help="held for so many seconds")] = 3_600,
    profile: ProfileName = None,
    limit: HoldLimit = 20,
    as_json: AsJson = False,
) -> None:
    """List credits that have been held for long, the oldest first."""
    asked = {"older_than_s": str(older_than_s), "limit": str(limit)}
    found = call(profile, lambda admin: admin.read("list the holds", "/v1/admin/holds", **asked))
    if as_json:
        return print_json(found)
    print_rows(found["data"], "created_at", "owner", "credits", "generation_id", as_json=False, line=_with_owner)
    if found["number"] > len(found["data"]):
        console.print(terminal_text.field_line("in all", f"{found['credits']} credits in {found['number']} holds"))


def show_readiness(profile: ProfileName = None, as_json: AsJson = False) -> None:
    """Show whether the installation is ready for an upgrade; exit 1 and the obstacles if it is not."""
    found = call(profile, lambda admin: admin.read("read the readiness", "/v1/admin/upgrade"))
    if as_json:
        print_json(found)
    else:
        rows = [row | {"schema": ", ".join(row["schema_at"]), "unsent": _unsent(row)} for row in found["services"]]
        console.print(terminal_text.table_of(rows, *RELEASE_COLUMNS))
        open_ = ", ".join(f"{number} {state}" for state, number in found["open"].items())
        console.print(terminal_text.field_line("in work", open_ or "nothing"))
        for each in found["obstacles"]:
            console.print(terminal_text.field_line("obstacle", each, "yellow"))
        if found["ready"]:
            console.print(terminal_text.field_line("upgrade", "nothing stands against it", "green"))
    if not found["ready"]:
        raise typer.Exit(1)


def _in_utc(at: datetime) -> datetime:
    return at.replace(tzinfo=at.tzinfo or UTC)


def _with_owner(row: dict[str, Any]) -> dict[str, Any]:
    owner = row["owner"]
    return row | {"owner": f"{owner['kind']} {owner['id']}" if owner else None}


def _unsent(row: dict[str, Any]) -> int:
    return sum(row["unsent"].values())

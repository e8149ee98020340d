"""``atelier admin providers``: how they do, what unknown outcomes may cost, and breakers held open or closed."""

from typing import Annotated, Any, Literal

import typer

from atelier_local import terminal_text
from atelier_local.connection import ProfileName
from atelier_local.operator_cli.admin_call import AsJson, Limit, call, console, print_json, print_rows

PATH = "/v1/admin/providers"
HOURS_MAX = 168
MINUTES_MAX = 7 * 1_440
COLUMNS = ("provider", "configured", "breaker", "held", "attempts", "failed", "p50_s", "p95_s", "outcomes")
UNKNOWN_COLUMNS = ("generation_id", "provider", "state", "outcome", "sent_at", "exposure_micros", "currency")
Name = Annotated[str, typer.Argument(help="as openai; `list` names them")]
State = Annotated[
    Literal["open", "closed"], typer.Argument(help="open: it is not used; closed: it is used whatever it answers")
]
providers = typer.Typer(no_args_is_help=True, help="Providers: times, failures, breakers, unknown outcomes.")


@providers.command("list")
def list_providers(
    hours: Annotated[int, typer.Option(min=1, max=HOURS_MAX, help="of the last so many hours")] = 24,
    profile: ProfileName = None,
    as_json: AsJson = False,
) -> None:
    """List providers with the seconds of their attempts, their failures and their breakers."""
    found = call(profile, lambda admin: admin.read("list the providers", PATH, hours=str(hours)))
    print_rows(found["data"], *COLUMNS, as_json=as_json, line=_line)


@providers.command("unknown")
def list_unknown(profile: ProfileName = None, limit: Limit = 20, as_json: AsJson = False) -> None:
    """List submissions whose cost is not known yet, the newest first."""
    rows = call(profile, lambda admin: admin.list_rows("submissions", f"{PATH}/unknown", limit))
    print_rows(rows, *UNKNOWN_COLUMNS, as_json=as_json)


@providers.command("hold")
def hold_breaker(
    name: Name,
    state: State,
    reason: Annotated[str, typer.Option(help="why; kept in the audit log")],
    minutes: Annotated[int, typer.Option(min=1, max=MINUTES_MAX, help="from now on; then it ends by itself")] = 60,
    profile: ProfileName = None,
    as_json: AsJson = False,
) -> None:
    """Hold the breaker of a provider; a repeated command holds it on from now."""
    order = {"state": state, "minutes": minutes, "reason": reason}
    now = call(profile, lambda admin: admin.ask("hold the breaker", "PUT", f"{PATH}/{name}/breaker", order))
    _print(now, f"its breaker is held {now['state']} for {minutes} min, in every process within 3 s", as_json)


@providers.command("release")
def release_breaker(
    name: Name,
    reason: Annotated[str, typer.Option(help="why; kept in the audit log")],
    profile: ProfileName = None,
    as_json: AsJson = False,
) -> None:
    """Release a breaker that is held: it follows its own counts again. Harmless for one that is not."""
    now = call(profile, lambda admin: admin.act("release the breaker", "DELETE", f"{PATH}/{name}/breaker", reason))
    _print(now, f"its breaker follows its own counts again and is {now['state']}", as_json)


def _print(now: dict[str, Any], text: str, as_json: bool) -> None:
    if as_json:
        print_json(now)
    else:
        console.print(terminal_text.field_line(now["provider"], text))


def _line(row: dict[str, Any]) -> dict[str, Any]:
    held = row["override"]
    return row | {
        "held": f"{held['state']} by {held['operator']} until {held['until'][:16]}: {held['reason']}" if held else None,
        "outcomes": ", ".join(f"{number} {word}" for word, number in sorted(row["outcomes"].items())) or None,
    }

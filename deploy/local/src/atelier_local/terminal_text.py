"""Formats the API's answers for a terminal of 80 columns, with or without colours. Pure: values in, text out."""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from atelier_local.api_client.api_models import Balance, Proof, Verdict

SILENCE_S = 1.0
"""A pause of this many seconds gets a line of its own in a timeline."""
COLOURS = {"gateway": "cyan", "session": "magenta", "billing": "green", "render": "yellow"}
ENDS = {"succeeded": "green", "rejected": "yellow", "cancelled": "yellow", "failed": "red", "expired": "red"}
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")
ID_WIDTH = 36
NAME_WIDTH = 30
_MESSAGE = re.compile(r"\b(?:gateway|session|billing|render)\.([a-z_]+)\.v\d+")
"""A message's full name; between four services its middle is enough for a person."""


def credits(amount: int) -> str:
    """``1 credit``, ``2 credits``."""
    return f"{amount} credit" if amount == 1 else f"{amount} credits"


def field_line(label: str, text: str | Text, style: str = "") -> Text:
    """One line of a report: what it is, and the thing."""
    return Text.assemble((f"  {label:<10}", "dim"), text if isinstance(text, Text) else (text, style))


def progress_line(elapsed_s: float, word: str, note: str = "") -> Text:
    """One line of a progress report."""
    return Text.assemble((f"  {elapsed_s:7.2f} s  ", "dim"), (f"{word:<11}", "bold"), note)


def balance(account: Balance) -> str:
    """Every account of an owner in one line; each credit that was granted is in exactly one of the others."""
    parts = [f"{account.available} available", f"{account.held} held", f"{account.captured} captured"]
    expired = [f"{account.expired} expired"] if account.expired else []
    return f"{account.granted} granted = {' + '.join(parts + expired)}"


def ledger_line(verdict: Verdict) -> Text:
    """What ``ledger verify`` found, every violation named."""
    size = f"{verdict.entries} postings in {verdict.accounts} {'account' if verdict.accounts == 1 else 'accounts'}"
    if verdict.ok:
        return field_line("books", f"in order: {size}, every credit accounted for", "green")
    found = "".join(f"\n  - {violation}" for violation in verdict.violations)
    return field_line("books", f"NOT in order: {size}, {len(verdict.violations)} violations{found}", "bold red")


def proof_line(proof: Proof) -> Text:
    """How far a full proof is."""
    done = f"{proof.checked} of {proof.total} rows checked" if proof.total else "starting"
    return field_line("proof", f"{done}, {len(proof.violations)} violations so far")


def receipt(answer: Mapping[str, Any]) -> Text:
    """An itemised charge: each posting, then what it comes to."""
    total = answer["credits"]
    rows = [(entry["kind"], entry["credits"], f"{entry['debit']} → {entry['credit']}") for entry in answer["entries"]]
    returned = f"{total['refunded']} returned, price book {answer['price_book'] or 'not consulted'}"
    lines = [f"            {kind:<8} {credits(amount):>10}   {note}" for kind, amount, note in rows]
    return Text("\n".join([*lines, f"            {'charged':<8} {credits(total['captured']):>10}   {returned}"]))


def timeline(answer: Mapping[str, Any]) -> RenderableType:
    """The answer of ``explain``: the verdict first, then each step with the time since the first one."""
    state = str(answer["state"])
    heading = Text.assemble((f"Generation {answer['id']}", "bold"), "\n", (answer["summary"], ENDS.get(state, "")))
    steps = list(answer["steps"])
    if not steps:
        return Group(heading, Text("\nNo service has a record of it.", "dim"))
    began = _at(steps[0])
    since = Text(f"\nTimes count from {began:%Y-%m-%d %H:%M:%S} UTC.\n", "dim")
    return Group(heading, *_origin(answer), since, _steps_table(steps, began))


def _origin(answer: Mapping[str, Any]) -> Iterable[RenderableType]:
    """Whose it is, its trace and request, how long it has been in its state, and which services did not answer."""
    owner = answer.get("owner")
    facts = {
        "owner": f"{owner['kind']} {owner['id']}" if owner else None,
        "trace": answer.get("trace_id"),
        "request": answer.get("request_id"),
        "state": f"for {answer['in_state_s']:.0f} s" if answer.get("in_state_s") is not None else None,
        "deadline": answer.get("deadline_at"),
        "next timer": answer.get("next_timer_at"),
    }
    for name, fact in facts.items():
        if fact:
            yield Text(f"  {name:<11}{fact}", "dim")
    for gap in answer.get("missing", ()):
        yield Text(f"  missing    {gap['lacks']}: {gap['reason']}", "yellow")


def dead_letters(queue: str, letters: Iterable[tuple[str, str, str]]) -> RenderableType:
    """Name, generation and reason of each, oldest first."""
    table = _table("message", "generation id", "reason")
    for name, subject, reason in letters:
        table.add_row(name, subject, reason)
    if not table.row_count:
        return Text(f"{queue} has no dead letters.")
    return table


def table_of(found: Iterable[Mapping[str, Any]], *columns: str) -> RenderableType:
    """A list of the admin API as a table, a column a field."""
    table = _table(*(column.removesuffix("_at").replace("_", " ") for column in columns))
    for row in found:
        table.add_row(*(_cell(row.get(column)) for column in columns))
    return table if table.row_count else Text("There are none.")


def operator_actions(found: Iterable[Mapping[str, Any]]) -> RenderableType:
    """What operators did: when, who, what, to what, and what else is known of it."""
    table = _table("at", "who", "act", "target id", "details")
    for act in found:
        target = " ".join(word for word in (act["target"]["kind"], act["target"]["id"]) if word)
        details = ", ".join(f"{name} {_cell(value)}" for name, value in act["details"].items() if value is not None)
        table.add_row(_cell(act["at"]), act["operator"]["name"], act["act"], target, details)
    return table if table.row_count else Text("There are none.")


def _table(*titles: str) -> Table:
    """Ids and names of messages are whole in a terminal of any width: they are copied into the next command."""
    table = Table(box=None, header_style="dim")
    for title in titles:
        is_id, is_name = title.split()[-1] == "id", title == "message"
        width = ID_WIDTH if is_id else NAME_WIDTH if is_name else None
        table.add_column(title, overflow="fold", no_wrap=is_id or is_name, min_width=width)
    return table


def _cell(value: object) -> str:
    """A moment to the second, nothing for nothing."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "–"
    text = str(value)
    return text[:19].replace("T", " ") if _MOMENT.match(text) else text


def _steps_table(steps: Iterable[Mapping[str, Any]], began: datetime) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(justify="right", style="dim", no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    before = began
    for step in steps:
        at = _at(step)
        if (silence := (at - before).total_seconds()) >= SILENCE_S:
            table.add_row("", "", Text(f"… {silence:.1f} s pass", "dim"))
        service = str(step["service"])
        elapsed = f"+{(at - began).total_seconds():.3f} s"
        table.add_row(elapsed, Text(service, COLOURS.get(service, "")), _step_text(step))
        before = at
    return table


def _step_text(step: Mapping[str, Any]) -> Text:
    outcome = str(step.get("outcome") or "transition").replace("_", " ")
    what = _MESSAGE.sub(r"\1", str(step["what"]))
    return Text(what) if outcome == "transition" else Text(f"{outcome}: {what}", "yellow")


def _at(step: Mapping[str, Any]) -> datetime:
    return datetime.fromisoformat(str(step["at"]))

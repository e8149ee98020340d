"""What ``up`` and ``status`` print: parts as they become ready, then all addresses."""

import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from atelier_local.launcher.control_socket import USABLE, PartStatus, Status, stop_command

STYLES = {"ready": "green", "done": "green", "failed": "red", "stopped": "yellow", "restarting": "yellow"}
LINKS = (
    ("API", "ATELIER_URL"),
    ("Operations", "ATELIER_OPERATIONS_URL"),
    ("Traces", "ATELIER_TRACES_URL"),
    ("Object store", "ATELIER_S3_ENDPOINT"),
)
GATEWAY_LINKS = ("ATELIER_URL", "ATELIER_OPERATIONS_URL")
WIDTH_IN_A_PIPE = 160
"""Columns where no terminal says how many it has: a line of a table is one line for ``grep``."""


class Progress:
    """At a terminal a table that moves; elsewhere one line for each part that becomes ready."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._began = time.monotonic()
        self._last_state: dict[str, str] = {}
        self._live = Live(console=console, refresh_per_second=10, transient=True) if console.is_terminal else None

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._live:
            self._live.stop()

    def show(self, status: Status) -> None:
        """Called with every look at the stack."""
        if self._live:
            self._live.update(self._live_table(status))
        if not self._last_state and status.up:
            return  # it was up before we looked: nothing becomes ready
        for part in status.parts:
            if self._last_state.get(part.name) != part.state and part.state in STYLES:
                self._console.print(self._line(part), highlight=False)
            self._last_state[part.name] = part.state

    def _line(self, part: PartStatus) -> Text:
        line = Text(f"{time.monotonic() - self._began:6.1f} s  {part.name:<16} ")
        return line.append(part.state, STYLES[part.state])

    def _live_table(self, status: Status) -> Table:
        table = Table.grid(padding=(0, 2))
        for part in status.parts:
            if part.state not in STYLES:
                usable = {other.name for other in status.parts if other.state in USABLE}
                missing = [name for name in part.needs if name not in usable]
                why = f"waits for {', '.join(missing)}" if missing else part.state
                table.add_row(Spinner("dots"), part.name, Text(why, "dim"))
        return table


def parts_table(status: Status) -> Table:
    """For ``atelier status``."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("part", "state", "pid", "restarts", "ready after", "address"):
        table.add_column(title, no_wrap=True)
    for part in status.parts:
        took = "" if part.ready_after_s is None else f"{part.ready_after_s:.1f} s"
        state = Text(part.state, STYLES.get(part.state, ""))
        table.add_row(part.name, state, str(part.pid or ""), str(part.restarts), took, part.url)
    for name, why in status.skipped.items():
        table.add_row(name, "skipped", "", "", "", why)
    return table


def print_urls(console: Console, status: Status, env: Mapping[str, str], env_file: Path, profile: str) -> None:
    """Where everything is, and how to stop it."""
    table = Table(box=None, pad_edge=False, show_header=False)
    running = {part.name for part in status.parts}
    for title, name in LINKS:
        if env.get(name) and (name not in GATEWAY_LINKS or "gateway" in running):
            table.add_row(title, env[name])
            if name == "ATELIER_URL" and env.get("ATELIER_PLAY") != "off":
                table.add_row("Try it", f"{env[name]}/play")
            if name == "ATELIER_OPERATIONS_URL":
                table.add_row("Console", f"{env[name]}/console")
    for part in status.parts:
        if part.name in ("rabbitmq", "postgres"):
            table.add_row({"rabbitmq": "RabbitMQ", "postgres": "Postgres"}[part.name], part.url)
    table.add_row("Settings, secrets", f". {env_file}")
    table.add_row("Stop", stop_command(profile))
    console.print(table, highlight=False)
    for name, why in status.skipped.items():
        console.print(Text(f"Without {name}: {why}", "yellow"))

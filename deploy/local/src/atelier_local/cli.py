"""The ``atelier`` command. Its acts live with their subjects; here they only get their names."""

from collections.abc import Mapping
from typing import ClassVar

import typer

from atelier_local.deferred_commands import DeferredCommands


class Commands(DeferredCommands):
    """All commands of ``atelier``."""

    places: ClassVar[Mapping[str, str]] = {
        "up": "atelier_local.launcher.commands:up",
        "down": "atelier_local.launcher.commands:down",
        "status": "atelier_local.launcher.commands:status",
        "logs": "atelier_local.launcher.commands:logs",
        "clean": "atelier_local.launcher.commands:clean",
        "backup": "atelier_local.backup.commands:backup",
        "restore": "atelier_local.backup.commands:restore",
        "demo": "atelier_local.demo.command:demo",
        "bench": "atelier_local.bench.command:bench",
        "bench-storage": "atelier_local.bench.long_runs:bench_storage",
        "bench-endurance": "atelier_local.bench.long_runs:bench_endurance",
        "bench-console": "atelier_local.bench.console_pages:bench_console",
        "generate": "atelier_local.demo.generate:generate",
        "admin": "atelier_local.operator_cli.commands:app",
        "stop-part": "atelier_local.launcher.commands:stop_part",
        "fail-over": "atelier_local.launcher.commands:fail_over",
        "start-part": "atelier_local.launcher.commands:start_part",
        "kill-part": "atelier_local.launcher.commands:kill_part",
    }


app = typer.Typer(
    name="atelier", cls=Commands, no_args_is_help=True, add_completion=False, help="Atelier on this machine."
)


@app.callback()
def _commands() -> None:
    """Atelier on this machine."""


def main() -> None:
    """Entry point of the console script."""
    app()

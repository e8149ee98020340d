"""The ``atelier`` command. Its acts live with their subjects; here they only get their names."""

import typer

from atelier_local.backup.commands import backup, restore
from atelier_local.bench.command import bench
from atelier_local.bench.long_runs import bench_endurance, bench_storage
from atelier_local.demo.command import demo
from atelier_local.demo.generate import generate
from atelier_local.launcher import commands
from atelier_local.operator_cli.commands import app as admin

app = typer.Typer(name="atelier", no_args_is_help=True, add_completion=False, help="Atelier on this machine.")
app.command()(commands.up)
app.command()(commands.down)
app.command()(commands.status)
app.command()(commands.logs)
app.command()(commands.clean)
app.command()(backup)
app.command()(restore)
app.command()(demo)
app.command()(bench)
app.command()(bench_storage)
app.command()(bench_endurance)
app.command()(generate)
app.add_typer(admin, name="admin")
app.command("stop-part")(commands.stop_part)
app.command("fail-over")(commands.fail_over)
app.command("start-part")(commands.start_part)
app.command("kill-part")(commands.kill_part)


def main() -> None:
    """Entry point of the console script."""
    app()

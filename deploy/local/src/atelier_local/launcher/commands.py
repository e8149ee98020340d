"""The acts of the launcher as commands: up, down, status, logs, clean, and one part at a time."""

import signal
import sys
from typing import Annotated

import typer
from rich.console import Console

from atelier_local.cli_errors import report_errors
from atelier_local.errors import StackError
from atelier_local.launcher.control_socket import start_command, stop_command
from atelier_local.launcher.live_display import WIDTH_IN_A_PIPE, Progress, parts_table, print_urls
from atelier_local.launcher.log_follower import follow, log_files
from atelier_local.launcher.stack import Stack

Profile = Annotated[str, typer.Option("--profile", envvar="PROFILE", help="Which local stack.")]
Name = Annotated[str, typer.Argument(help="A part, as `atelier status` names it.")]

console = Console(width=None if sys.stdout.isatty() else WIDTH_IN_A_PIPE)


def up(
    profile: Profile = "default",
    only: Annotated[str, typer.Option(help="Start these parts only, separated by commas.")] = "",
) -> None:
    """Start the stack and wait until every part is ready."""
    with report_errors():
        stack = Stack(profile, only=[name.strip() for name in only.split(",") if name.strip()])
        already = stack.status()
        try:
            with Progress(console) as progress:
                now = stack.up(progress.show)
        except KeyboardInterrupt:
            raise StackError(
                f"interrupted; the stack is still starting, stop it with: {stop_command(profile)}"
            ) from None
        if already and already.pid == now.pid:
            console.print(f"The stack {profile} is already up.")
        print_urls(console, now, stack.environment(), stack.profile.env_file, profile)


def down(profile: Profile = "default") -> None:
    """Stop every part; the data stays."""
    with report_errors(), console.status("stopping ..."):
        stopped = Stack(profile).down()
    console.print(f"The stack {profile} is down." if stopped else f"The stack {profile} was not up.")


def status(profile: Profile = "default") -> None:
    """Show each part: state, pid, restarts. Exits 1 where the stack is not up."""
    with report_errors():
        now = Stack(profile).status()
        if now is None:
            raise StackError(f"the stack {profile!r} is not up; start it with: {start_command(profile)}")
        console.print(parts_table(now))


def logs(
    profile: Profile = "default",
    part: Annotated[list[str] | None, typer.Argument(help="Only these parts.")] = None,
    lines: Annotated[int, typer.Option("--lines", "-n", help="Begin with so many lines of each.")] = 10,
    once: Annotated[bool, typer.Option("--once", help="Print what is there and stop.")] = False,
) -> None:
    """Follow the logs of all parts together."""
    with report_errors():
        files = log_files(Stack(profile).home / "logs", part or [])
        follow(Console(soft_wrap=True, highlight=False), files, lines=lines, once=once)


def clean(
    profile: Profile = "default",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Stop the stack and delete its data, ports and secrets."""
    if not yes and sys.stdin.isatty():
        typer.confirm(f"Delete every generation, picture and credit of the stack {profile}?", abort=True)
    with report_errors():
        Stack(profile).clean()
    console.print(f"The stack {profile} is gone.")


def stop_part(name: Name, profile: Profile = "default") -> None:
    """Stop one part and leave it stopped."""
    with report_errors():
        Stack(profile).stop_part(name)


def start_part(name: Name, profile: Profile = "default") -> None:
    """Start a stopped part and wait until it is ready."""
    with report_errors(), console.status(f"starting {name} ..."):
        Stack(profile).start_part(name)


def fail_over(profile: Profile = "default") -> None:
    """Kill the primary Postgres of a stack with a standby; the standby is the primary then."""
    with report_errors():
        stack = Stack(profile)
        if len(stack.profile.databases) == 1:
            raise StackError(f"the stack {profile} has no standby; a profile named standby or standby-... has one")
        with console.status("promoting the standby ..."):
            primary = stack.fail_over()
        old = next(part for part in stack.profile.databases if part != primary)
    console.print(f"{primary} is the primary now. `atelier start-part {old}` brings {old} back as its standby.")


def kill_part(
    name: Name,
    sign: Annotated[str, typer.Argument(metavar="[SIGNAL]", help="KILL, TERM, STOP, CONT ...")] = "KILL",
    profile: Profile = "default",
) -> None:
    """Send a signal to one part, to see what the rest makes of it."""
    with report_errors():
        full = f"SIG{sign.upper().removeprefix('SIG')}"
        if full not in signal.Signals.__members__:
            raise StackError(f"there is no signal {sign}; use KILL, TERM, STOP or CONT")
        Stack(profile).kill(name, signal.Signals[full])

"""``atelier demo``: starts the stack, makes a picture and proves what it cost, in one command."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from atelier_local import terminal_text
from atelier_local.cli_errors import command_text, report_errors
from atelier_local.connection import find_connection
from atelier_local.demo import photos as demo_photos
from atelier_local.demo import scenario, trace_query
from atelier_local.demo.pictures import Picture, read_picture, to_picture
from atelier_local.demo.scenario import DemoResult
from atelier_local.errors import BrokenPromise
from atelier_local.launcher import trace_viewer
from atelier_local.launcher.commands import Profile
from atelier_local.launcher.control_socket import Status
from atelier_local.launcher.live_display import Progress
from atelier_local.launcher.profile import SERVICES
from atelier_local.launcher.stack import Stack


def demo(
    person: Annotated[Path | None, typer.Argument(envvar="PERSON", help="a photograph of a person")] = None,
    garment: Annotated[Path | None, typer.Argument(envvar="GARMENT", help="one of a garment, plain ground")] = None,
    profile: Profile = "default",
) -> None:
    """Show one honest charge: start the stack if needed, try a garment on, verify the ledger."""
    with report_errors():
        stack, photos = Stack(profile), _photos(person, garment)
    with report_errors(profile, more="logs"):
        _demo(stack, photos, Console(highlight=False, soft_wrap=True))


def _demo(stack: Stack, photos: tuple[Picture, Picture], console: Console) -> None:
    console.print(Text("Atelier: one request, one artefact, one honest charge\n", "bold"))
    if stack.status() is None:
        console.print(terminal_text.field_line("stack", "starting"))
    with Progress(console) as progress:
        status = stack.up(progress.show)
    console.print(terminal_text.field_line("stack", f"{stack.name} is up at {find_connection(stack.name).url}"))
    shown = asyncio.run(scenario.run_scenario(find_connection(stack.name), photos, stack.home / "demo", console))
    _trace(stack, status, shown, console)
    console.print(terminal_text.field_line("its story", command_text(f"admin explain {shown.generation}", stack.name)))
    page = f"{find_connection(stack.name).operations_url}/console/generations/{shown.generation}"
    console.print(terminal_text.field_line("console", page))
    console.print(
        terminal_text.field_line("", f"sign in with ATELIER_ADMIN_TOKEN of {scenario.short(stack.home / 'env')}")
    )
    if stack.environment().get("ATELIER_PLAY") != "off":
        console.print(terminal_text.field_line("try it", f"{find_connection(stack.name).url}/play"))
        console.print(terminal_text.field_line("its key", shown.api_key))
    console.print(
        terminal_text.field_line("stop", "make down" if stack.name == "default" else f"PROFILE={stack.name} make down")
    )


def _trace(stack: Stack, status: Status, shown: DemoResult, console: Console) -> None:
    """Prints where to see the trace; only our own viewer can confirm that it is complete."""
    base = find_connection(stack.name).traces_url
    if base is None or all(part.name != "traces" for part in status.parts):
        where = f"at {base}" if base else f"no viewer: {status.skipped.get('traces', 'none is part of this stack')}"
        console.print(terminal_text.field_line("trace", f"{shown.trace_id}, {where}"))
        return
    wanted = frozenset(SERVICES)
    seen = asyncio.run(trace_query.wait_for(base, shown.trace_id, wanted))
    if missing := wanted - seen.services:
        raise BrokenPromise(
            f"The trace {shown.trace_id} has no span of {', '.join(sorted(missing))}.", shown.generation
        )
    console.print(terminal_text.field_line("trace", f"{seen.spans} spans in {', '.join(SERVICES)}"))
    console.print(terminal_text.field_line("", trace_viewer.trace_page(base, shown.trace_id)))


def _photos(person: Path | None, garment: Path | None) -> tuple[Picture, Picture]:
    """The two given photographs, else two from an installed package."""
    return (
        read_picture(person) if person else to_picture("portrait.png", demo_photos.person_photo()),
        read_picture(garment) if garment else to_picture("shirt.jpg", demo_photos.garment_photo()),
    )

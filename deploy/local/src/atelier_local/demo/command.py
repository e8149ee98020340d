"""``atelier demo``: from nothing running to a picture on disk, with proof of what it cost, in one command."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from atelier_local import formatting
from atelier_local.cli_errors import sentences, typed
from atelier_local.connection import access
from atelier_local.demo import photos as demo_photos
from atelier_local.demo import scenario, trace_query
from atelier_local.demo.pictures import Picture, picture, read_picture
from atelier_local.demo.scenario import Shown
from atelier_local.demo.try_on_flow import Broken
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
    """Show one honest charge: start the stack if need be, try a garment on, look at the books."""
    with sentences():
        stack, photos = Stack(profile), _photos(person, garment)
    with sentences(profile, more="logs"):
        _demo(stack, photos, Console(highlight=False, soft_wrap=True))


def _demo(stack: Stack, photos: tuple[Picture, Picture], console: Console) -> None:
    console.print(Text("Atelier: one request, one artefact, one honest charge\n", "bold"))
    if stack.status() is None:
        console.print(formatting.labelled("stack", "starting"))
    with Progress(console) as progress:
        status = stack.up(progress.show)
    console.print(formatting.labelled("stack", f"{stack.name} is up at {access(stack.name).url}"))
    shown = asyncio.run(scenario.perform(access(stack.name), photos, stack.home / "demo", console))
    _trace(stack, status, shown, console)
    console.print(formatting.labelled("its story", typed(f"admin explain {shown.generation}", stack.name)))
    console.print(
        formatting.labelled("stop", "make down" if stack.name == "default" else f"PROFILE={stack.name} make down")
    )


def _trace(stack: Stack, status: Status, shown: Shown, console: Console) -> None:
    """Where the trace is to be seen; that it is whole can be asked of our own viewer only."""
    base = access(stack.name).traces_url
    if base is None or all(part.name != "traces" for part in status.parts):
        where = f"at {base}" if base else f"no viewer: {status.skipped.get('traces', 'none is part of this stack')}"
        console.print(formatting.labelled("trace", f"{shown.trace_id}, {where}"))
        return
    wanted = frozenset(SERVICES)
    seen = asyncio.run(trace_query.wait_for(base, shown.trace_id, wanted))
    if missing := wanted - seen.services:
        raise Broken(f"The trace {shown.trace_id} has no span of {', '.join(sorted(missing))}.", shown.generation)
    console.print(formatting.labelled("trace", f"{seen.spans} spans in {', '.join(SERVICES)}"))
    console.print(formatting.labelled("", trace_viewer.trace_page(base, shown.trace_id)))


def _photos(person: Path | None, garment: Path | None) -> tuple[Picture, Picture]:
    """Those given, else those that come with an installed package."""
    return (
        read_picture(person) if person else picture("portrait.png", demo_photos.person_photo()),
        read_picture(garment) if garment else picture("shirt.jpg", demo_photos.garment_photo()),
    )

"""``atelier generate``: a virtual try-on for a person at a terminal."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from atelier_local import terminal_text
from atelier_local.api_client.client import AdminClient, Client
from atelier_local.cli_errors import command_text, report_errors
from atelier_local.connection import Connection, ProfileName, find_connection
from atelier_local.demo import try_on_flow
from atelier_local.demo.pictures import Picture, read_picture
from atelier_local.errors import AtelierError

GRANTED = 10
console = Console(soft_wrap=True, highlight=False)


def generate(
    person: Annotated[Path, typer.Option(help="a photograph of a person")],
    garment: Annotated[Path, typer.Option(help="a photograph of a garment on a plain ground")],
    key: Annotated[
        str | None, typer.Option(envvar="ATELIER_API_KEY", help="a store's; else a store is created")
    ] = None,
    prompt: Annotated[str | None, typer.Option(help="how the result should look")] = None,
    out: Annotated[Path, typer.Option(help="where the picture goes")] = Path("try-on.png"),
    profile: ProfileName = None,
) -> None:
    """Put a garment on a person: upload both photographs, request a try-on, save the picture."""
    name = profile or "default"
    with report_errors(name):
        if out.suffix != ".png":
            raise AtelierError(f"{out} must end in .png: the result is a PNG.")
        photos = read_picture(person), read_picture(garment)
        generation = asyncio.run(_generate(find_connection(profile), photos, key, prompt, out))
    console.print(terminal_text.field_line("its story", command_text(f"admin explain {generation}", name), "dim"))


async def _generate(
    to: Connection, photos: tuple[Picture, Picture], key: str | None, prompt: str | None, out: Path
) -> str:
    async with Client(to.url, key or await _new_store(to)) as client:
        inputs = await try_on_flow.upload(client, *photos)
        *_, done = [state async for state in try_on_flow.try_on(client, inputs, console, prompt=prompt)]
        generation, path, picture = await try_on_flow.fetch(client, done, out.parent, out.name)
    console.print(terminal_text.field_line("charged", terminal_text.credits(generation.credits.captured)))
    console.print(terminal_text.field_line("picture", f"{path} ({picture.facts})"))
    return generation.id


async def _new_store(to: Connection) -> str:
    async with AdminClient(to.operations_url, to.admin_token) as admin:
        store = await admin.create_store("Terminal boutique")
        await admin.grant("store", store.id, GRANTED, reason="atelier generate without a key")
    console.print(
        terminal_text.field_line("store", f"{store.name} {store.id}, {terminal_text.credits(GRANTED)} granted")
    )
    console.print(terminal_text.field_line("api key", f"{store.api_key} (pass it as --key next time)"))
    return store.api_key

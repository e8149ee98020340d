"""``atelier generate``: a virtual try-on for a person at a terminal."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from atelier_local import journey, views
from atelier_local.access import Access, ProfileName, access
from atelier_local.client import AdminClient, AtelierError, Client
from atelier_local.pictures import Picture, read_picture
from atelier_local.sentences import sentences, typed

GRANTED = 10
console = Console(soft_wrap=True, highlight=False)


def generate(
    person: Annotated[Path, typer.Option(help="a photograph of a person")],
    garment: Annotated[Path, typer.Option(help="a photograph of a garment on a plain ground")],
    key: Annotated[str | None, typer.Option(envvar="ATELIER_API_KEY", help="a store's; else a store is made")] = None,
    prompt: Annotated[str | None, typer.Option(help="how it shall look")] = None,
    out: Annotated[Path, typer.Option(help="where the picture goes")] = Path("try-on.png"),
    profile: ProfileName = None,
) -> None:
    """Put a garment on a person: upload both photographs, request a try-on, save the picture."""
    name = profile or "default"
    with sentences(name):
        if out.suffix != ".png":
            raise AtelierError(f"{out} would hold a PNG; name it so.")
        photos = read_picture(person), read_picture(garment)
        generation = asyncio.run(_generate(access(profile), photos, key, prompt, out))
    console.print(views.labelled("its story", typed(f"admin explain {generation}", name), "dim"))


async def _generate(to: Access, photos: tuple[Picture, Picture], key: str | None, prompt: str | None, out: Path) -> str:
    async with Client(to.url, key or await _new_store(to)) as client:
        inputs = await journey.upload(client, *photos)
        *_, done = [state async for state in journey.try_on(client, inputs, console, prompt=prompt)]
        generation, path, picture = await journey.fetch(client, done, out.parent, out.name)
    console.print(views.labelled("charged", views.credits(generation.credits.captured)))
    console.print(views.labelled("picture", f"{path} ({picture.facts})"))
    return generation.id


async def _new_store(to: Access) -> str:
    async with AdminClient(to.operations_url, to.admin_token) as admin:
        store = await admin.create_store("Terminal boutique")
        await admin.grant("store", store.id, GRANTED, reason="atelier generate without a key")
    console.print(views.labelled("store", f"{store.name} {store.id}, {views.credits(GRANTED)} granted"))
    console.print(views.labelled("api key", f"{store.api_key} (give it as --key next time)"))
    return store.api_key

"""A virtual try-on from two photographs to a picture on disk, each step printed; for the demo and ``generate``."""

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from atelier_local import terminal_text
from atelier_local.api_client.api_models import Generation, TryOn
from atelier_local.api_client.client import Client
from atelier_local.demo import pictures
from atelier_local.demo.pictures import Picture
from atelier_local.errors import AtelierError, BrokenPromise

NOTES = {
    "queued": "the credits are held, the render waits for its turn",
    "processing": "a worker renders",
    "completed": "the credits are captured",
    "failed": "the credits went back",
}


@dataclass(frozen=True, slots=True)
class Inputs:
    """The keys of the two uploaded photographs, in the order in which the API takes them."""

    person: str
    garment: str


async def upload(client: Client, person: Picture, garment: Picture) -> Inputs:
    """Uploads both photographs."""
    keys = [(await client.upload(photo.name, photo.content_type, photo.content)).key for photo in (person, garment)]
    return Inputs(*keys)


async def try_on(
    client: Client,
    inputs: Inputs,
    console: Console,
    *,
    prompt: str | None = None,
    simulate: str | None = None,
    traceparent: str | None = None,
) -> AsyncIterator[TryOn]:
    """Requests one and prints each state with its time; yields each, so that the caller can act in between."""
    began = time.monotonic()

    def show(now: TryOn) -> TryOn:
        note = now.error_message or NOTES.get(now.status, "")
        console.print(terminal_text.progress_line(time.monotonic() - began, now.status, note))
        return now

    images = [inputs.person, inputs.garment]
    first = show(await client.try_on(images, prompt=prompt, simulate=simulate, traceparent=traceparent))
    yield first
    with console.status(f"generation {first.session_id}"):
        async for now in client.follow(first):
            yield show(now)


async def fetch(client: Client, done: TryOn, folder: Path, name: str | None = None) -> tuple[Generation, Path, Picture]:
    """Downloads the result, verifies it and saves it. Raises BrokenPromise."""
    if done.status != "completed":
        raise BrokenPromise(f"The try-on ended as {done.status}: {done.error_message}.", done.session_id)
    generation = await client.generation(done.session_id)
    if len(generation.outputs) != 1:
        raise BrokenPromise(f"One picture was requested, {len(generation.outputs)} were delivered.", done.session_id)
    output = generation.outputs[0]
    content = await client.download(output.url)
    try:
        picture = pictures.verify_delivered("The picture", content, output.checksum)
    except AtelierError as error:
        raise BrokenPromise(str(error), done.session_id) from None
    path = folder / (name or done.session_id + pictures.SUFFIXES[picture.format])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return generation, path, picture

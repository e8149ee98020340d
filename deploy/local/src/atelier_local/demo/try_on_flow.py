"""A virtual try-on from two photographs to a picture on disk, told as it happens; for the demo and `generate`."""

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from atelier_local import formatting
from atelier_local.api_client.api_models import Generation, TryOn
from atelier_local.api_client.client import AtelierError, Client
from atelier_local.demo import pictures
from atelier_local.demo.pictures import Picture

NOTES = {
    "queued": "the credits are held, the render waits for its turn",
    "processing": "a worker renders",
    "completed": "the credits are captured",
    "failed": "the credits went back",
}


class Broken(AtelierError):
    """Something promised did not come true for one generation, whose story says more."""

    def __init__(self, what: str, generation: str) -> None:
        super().__init__(what)
        self.generation = generation


@dataclass(frozen=True, slots=True)
class Inputs:
    """The keys of the two uploaded photographs, in the order in which the API takes them."""

    person: str
    garment: str


async def upload(client: Client, person: Picture, garment: Picture) -> Inputs:
    """Puts both where the tenant's uploads live."""
    keys = [(await client.upload(one.name, one.content_type, one.content)).key for one in (person, garment)]
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
    """Requests one and prints each state with its time; yields each, so that the caller can look around meanwhile."""
    began = time.monotonic()

    def told(now: TryOn) -> TryOn:
        note = now.error_message or NOTES.get(now.status, "")
        console.print(formatting.moment(time.monotonic() - began, now.status, note))
        return now

    images = [inputs.person, inputs.garment]
    first = told(await client.try_on(images, prompt=prompt, simulate=simulate, traceparent=traceparent))
    yield first
    with console.status(f"generation {first.session_id}"):
        async for now in client.follow(first):
            yield told(now)


async def fetch(client: Client, done: TryOn, folder: Path, name: str | None = None) -> tuple[Generation, Path, Picture]:
    """Downloads what was delivered, proves that it is that picture, and writes it down. Raises Broken."""
    if done.status != "completed":
        raise Broken(f"The try-on ended as {done.status}: {done.error_message}.", done.session_id)
    generation = await client.generation(done.session_id)
    if len(generation.outputs) != 1:
        raise Broken(f"One picture was asked for, {len(generation.outputs)} were delivered.", done.session_id)
    output = generation.outputs[0]
    content = await client.download(output.url)
    try:
        picture = pictures.proven("The picture", content, output.checksum)
    except AtelierError as wrong:
        raise Broken(str(wrong), done.session_id) from None
    path = folder / (name or done.session_id + pictures.SUFFIXES[picture.format])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return generation, path, picture

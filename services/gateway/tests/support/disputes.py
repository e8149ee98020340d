"""A delivered generation whose outputs are really stored, for tests of disputes."""

import hashlib
import io
import math
import struct
import wave
from typing import Any
from uuid import UUID

import httpx
from PIL import Image

from atelier_contracts import Artefact, GenerationSucceeded, Owner
from atelier_storage.keys import artefact_key

from .native import create, wait_until_projected
from .world import World

UNIT = 4
IMAGE = {"kind": "image", "prompt": "a cat", "size": "256x256"}
EXTENSIONS = {"image/png": "png", "audio/wav": "wav", "image/jpeg": "jpg"}


def picture(colour: str = "#208040", size: tuple[int, int] = (256, 256), *, plain: bool = False) -> bytes:
    """A PNG that shows something, unless it is plain."""
    image = Image.new("RGB", size, colour)
    if not plain:
        image.paste("#d0d0d0", (10, 10, 90, 90))
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def tone(seconds: float = 3.0, *, loudness: float = 0.5) -> bytes:
    """A WAV of 8 kHz, 16 bits."""
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8_000)
        samples = (int(32_000 * loudness * math.sin(at / 4)) for at in range(int(8_000 * seconds)))
        file.writeframes(b"".join(struct.pack("<h", sample) for sample in samples))
    return out.getvalue()


async def deliver(
    world: World,
    owner: Owner,
    headers: dict[str, str],
    *files: bytes,
    body: dict[str, Any] | None = None,
    content_type: str = "image/png",
    **hold: Any,
) -> UUID:
    """A generation that has ended with these files as its outputs, ``UNIT`` credits charged for each."""
    generation = await create(world, headers, {**(body or IMAGE), **({"n": len(files)} if len(files) > 1 else {})})
    outputs = []
    for index, data in enumerate(files):
        key = artefact_key(owner.kind, owner.id, generation, index, EXTENSIONS[content_type])
        await world.container.objects.put(key, data, content_type)
        digest = hashlib.sha256(data).hexdigest()
        outputs.append(Artefact(key=key, content_type=content_type, size=len(data), sha256=digest))
    charged = UNIT * len(files)
    world.neighbours.records[f"holds/{generation}"] = {
        "state": "captured",
        "captured": charged,
        "returned": 0,
        "unit_credits": UNIT,
        "units": len(files),
        "reused": False,
        **hold,
    }
    keys = [{"key": output.key} for output in outputs]
    world.neighbours.records[f"jobs/{generation}"] = {"artefacts": keys, "removals": []}
    await world.neighbours.say(
        GenerationSucceeded(
            generation_id=generation,
            outputs=tuple(outputs),
            delivered=len(files),
            captured=charged,
            refunded=0,
            provider="local",
        )
    )
    await wait_until_projected(world, generation, "succeeded")
    return generation


async def dispute(
    world: World, headers: dict[str, str], generation: UUID, reason: str = "blank", **more: Any
) -> httpx.Response:
    """POSTs a dispute."""
    return await world.client.post(
        f"/v1/generations/{generation}/disputes", headers=headers, json={"reason": reason, **more}
    )


def wrong(answer: httpx.Response, output: int = 0) -> list[str]:
    """The names of the checks that an output failed."""
    (evidence,) = [each for each in answer.json()["evidence"] if each["output"] == output]
    return [check["name"] for check in evidence["checks"] if check["result"] == "wrong"]

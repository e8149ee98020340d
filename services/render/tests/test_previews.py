"""Previews: coarse pictures of the composition to come, stored where the gateway looks, marked, and deleted later."""

import asyncio
import io
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from PIL import Image

from atelier_contracts import Owner, RenderSpec, RequestRender, Simulation
from atelier_imaging import ImageWorkers
from atelier_render.providers.local.images import Local
from atelier_render.providers.protocol import Input, Picture, ProviderJob, Succeeded
from atelier_storage.keys import generation_of

from .support.world import PATIENCE_S

Ask = Callable[..., RequestRender]


@pytest.fixture(scope="module")
def local(images: ImageWorkers) -> Local:
    return Local(images)


def pixels(picture: Picture) -> Any:
    return np.asarray(Image.open(io.BytesIO(picture.data)).convert("RGB"), np.float32)


def photo() -> bytes:
    out = io.BytesIO()
    Image.linear_gradient("L").resize((320, 320)).convert("RGB").save(out, "PNG")
    return out.getvalue()


@pytest.mark.parametrize("inputs", [(), (Input("image", photo()),)], ids=["words", "edit"])
@pytest.mark.parametrize("wanted", [0, 1, 3])
async def test_local_shows_the_coming_picture_coarsely_and_then_less_so(
    local: Local, wanted: int, inputs: tuple[Input, ...]
) -> None:
    spec = RenderSpec(kind="image", size="512x512", prompt="a lake at sunset", seed=3, previews=wanted)
    shown: list[Picture] = []

    async def show(picture: Picture) -> None:
        shown.append(picture)

    job = ProviderJob("k", uuid4(), Owner(kind="store", id=uuid4()), spec, inputs, show=show)
    made = await local.submit(job)
    plain = await local.submit(replace(job, spec=spec.model_copy(update={"previews": 0})))

    assert isinstance(made, Succeeded) and isinstance(plain, Succeeded)
    assert made.pictures[0].sha256 == plain.pictures[0].sha256, "previews change the picture"
    assert [(picture.width, picture.height) for picture in shown] == [(512, 512)] * wanted
    final = pixels(made.pictures[0])
    distances = [float(np.abs(pixels(picture) - final).mean()) for picture in shown]
    other = np.abs(pixels(Picture(photo(), "image/png"))[:1, :1] - final).mean()
    assert all(0 < distance < other for distance in distances)
    assert wanted < 2 or distances[-1] < distances[0]


@pytest.mark.stack
@pytest.mark.parametrize("image_format", ["png", "webp"])
async def test_previews_lie_there_while_the_picture_is_made_and_are_due_for_deletion_afterwards(
    world: Any, ask: Ask, image_format: str
) -> None:
    wanted = {"kind": "image", "size": "256x256", "format": image_format, "previews": 2}
    process, request = world.process(), ask(simulate=Simulation(delay_ms=600_000), **wanted)
    process.start()
    await process.handle(request)

    async with asyncio.timeout(PATIENCE_S):
        while len(world.objects.objects) < 2:  # noqa: ASYNC110 - another task puts them there
            await asyncio.sleep(0.01)
    keys = sorted(world.objects.objects)
    assert [key.rsplit("/", 1)[1].split(".")[0] for key in keys] == ["preview-0", "preview-1"]
    assert {generation_of(key) for key in keys} == {request.generation_id}
    assert len(set(world.objects.objects.values())) == 2

    await process.kill()
    due = await world.pool.fetch("SELECT key, reason FROM doomed_objects ORDER BY key")
    assert [(row["key"], row["reason"]) for row in due] == [(key, "preview") for key in keys]

"""Which pictures are taken, on every surface where no seed fixes their types; and that a mask has to mark something."""

import base64
import io
from typing import Any
from uuid import uuid4

import pillow_heif
import pytest
from PIL import Image

from atelier_contracts import GenerationRequested, Owner
from atelier_gateway.media import data_uris
from atelier_gateway.media.data_uris import DataUriRefused
from atelier_storage.keys import upload_key

from ..support.native import IMAGE
from ..support.workspace import team_of
from ..support.world import World

pytestmark = pytest.mark.stack
pillow_heif.register_heif_opener()
RED = Image.new("RGB", (40, 30), (220, 30, 40))
DARK = Image.new("RGBA", (40, 30), (0, 0, 0, 255))
HOLE = Image.new("RGBA", (40, 30), (0, 0, 0, 0))
TYPES = {"HEIF": "image/heic", "AVIF": "image/avif", "GIF": "image/gif", "MPO": "image/jpeg", "WEBP": "image/webp"}
NOTHING = "The mask marks nothing"


def file(image: Image.Image, format_: str = "PNG") -> bytes:
    out = io.BytesIO()
    image.save(out, format_)
    return out.getvalue()


def uri(data: bytes, type_: str = "image/png") -> str:
    return f"data:{type_};base64,{base64.b64encode(data).decode()}"


async def upload(world: World, owner: Owner, data: bytes) -> str:
    key = upload_key(owner.kind, owner.id, uuid4(), "picture.png")
    await world.container.objects.put(key, data, "image/png")
    return key


def body_with(*inputs: dict[str, Any]) -> dict[str, Any]:
    return IMAGE | {"inputs": list(inputs)}


def requests(world: World) -> list[GenerationRequested]:
    return [heard.message for heard in world.neighbours.heard if isinstance(heard.message, GenerationRequested)]


@pytest.mark.parametrize("format_", TYPES)
async def test_a_picture_of_each_type_is_taken_in_the_body_and_as_an_upload(world: World, format_: str) -> None:
    user, headers = await world.user()
    data = file(RED, format_)
    key = await upload(world, Owner(kind="user", id=user), data)

    for given in ({"data": uri(data, TYPES[format_])}, {"key": key}):
        reply = await world.client.post("/v1/generations", headers=headers, json=body_with({"role": "image", **given}))
        assert reply.status_code == 201, reply.text

    rows = await world.pool.fetch("SELECT DISTINCT content_type, width, height FROM files")
    assert [tuple(row) for row in rows] == [(TYPES[format_], 40, 30)]


@pytest.mark.parametrize("surface", ["native", "b2b"])
@pytest.mark.parametrize("type_", ["image/heic", "image/heif", "image/avif", "image/gif", "image/heic-sequence"])
async def test_uploads_of_each_type_are_offered(world: World, surface: str, type_: str) -> None:
    _, headers = await world.store()
    path = "/v1/uploads" if surface == "native" else "/api/v1/uploads"

    offered = await world.client.post(
        path, headers=headers, json={"filename": "a", "content_type": type_, "size_bytes": 10}
    )

    assert offered.status_code == 201, offered.text


async def test_clients_are_told_which_types_are_taken(world: World) -> None:
    _, headers = await world.store()

    schema = (await world.client.get("/openapi.json", headers=headers)).json()["components"]["schemas"]

    (example,) = schema["Capabilities"]["examples"]
    assert {*TYPES.values(), "image/png"} == set(example["pictures"]["content_types"])


def test_the_photos_of_seed_004_keep_the_types_that_the_seed_names() -> None:
    given = {type_: uri(file(RED), f"image/{type_}") for type_ in data_uris.PICTURE_TYPES}

    taken = {
        type_
        for type_, text in given.items()
        if not isinstance(data_uris.read(text, bytes_max=10_000, types=data_uris.SEED_TYPES), DataUriRefused)
    }

    assert taken == {"jpeg", "jpg", "png", "webp"}
    assert not any(isinstance(data_uris.read(text, bytes_max=10_000), DataUriRefused) for text in given.values())


@pytest.mark.parametrize("mode", ["RGBA", "RGB", "L", "LA", "1"])
async def test_an_openai_edit_by_a_mask_that_marks_nothing_is_refused_before_anything_is_held(
    world: World, mode: str
) -> None:
    _, headers = await world.user()
    files = {"image": ("a.png", file(RED)), "mask": ("mask.png", file(DARK.convert(mode)))}

    refused = await world.client.post("/v1/images/edits", headers=headers, data={"prompt": "a hat"}, files=files)

    error = refused.json()["error"]
    assert (refused.status_code, error["param"]) == (400, "mask")
    assert NOTHING in error["message"]
    assert not requests(world)
    assert await world.pool.fetchval("SELECT count(*) FROM files") == 0


@pytest.mark.parametrize("used_before", [False, True])
async def test_a_mask_that_marks_nothing_is_refused_by_its_key_however_it_was_used_before(
    world: World, used_before: bool
) -> None:
    user, headers = await world.user()
    owner = Owner(kind="user", id=user)
    image, mask, hole = [await upload(world, owner, file(image)) for image in (RED, DARK, HOLE)]
    if used_before:
        await world.client.post("/v1/generations", headers=headers, json=body_with({"role": "image", "key": mask}))

    refused, taken = [
        await world.client.post(
            "/v1/generations",
            headers=headers,
            json=body_with({"role": "image", "key": image}, {"role": "mask", "key": key}),
        )
        for key in (mask, hole)
    ]

    assert refused.status_code == 400
    assert refused.json()["errors"][0]["field"] == "inputs.1.key"
    assert NOTHING in refused.json()["errors"][0]["message"]
    assert taken.status_code == 201
    assert len(requests(world)) == 1 + used_before


async def test_a_mask_that_marks_nothing_is_refused_in_the_body_and_in_a_workspace(world: World) -> None:
    _, headers = await world.user()
    team = await team_of(world)
    owner = Owner(kind="workspace", id=team.id)
    image, mask = [await upload(world, owner, file(image)) for image in (RED, DARK)]
    inputs = body_with({"role": "image", "data": uri(file(RED))}, {"role": "mask", "data": uri(file(DARK))})

    native = await world.client.post("/v1/generations", headers=headers, json=inputs)
    workspace = await team.ask(image=image, mask=mask)

    assert native.status_code == workspace.status_code == 400
    assert native.json()["errors"][0]["field"] == "inputs.1.data"
    assert workspace.json()["error"]["details"]["errors"][0]["field"] == "mask"
    assert not requests(world)

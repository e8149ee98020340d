"""Pictures in the body of a create: stored as inputs, and gone again where nothing comes of the request."""

import base64
import io
from typing import Any

import pytest
from PIL import Image

from atelier_contracts import (
    GenerationRequested,
)

from .native import IMAGE, create
from .neighbours import declined
from .world import World

pytestmark = pytest.mark.stack


def picture() -> str:
    """A small picture as a data: URI."""
    made = io.BytesIO()
    Image.new("RGB", (64, 64), "red").save(made, "PNG")
    return f"data:image/png;base64,{base64.b64encode(made.getvalue()).decode()}"


def with_data(*data: str) -> dict[str, Any]:
    return IMAGE | {"inputs": [{"role": "image", "data": one} for one in data]}


async def test_a_picture_in_the_body_is_stored_and_named_by_its_key_and_digest(world: World) -> None:
    user, headers = await world.user()

    generation = await create(world, headers, with_data(picture()))

    [asked] = [e.message for e in world.neighbours.heard if isinstance(e.message, GenerationRequested)]
    [given] = asked.spec.inputs
    key, sha256 = given.key, given.sha256
    assert key is not None and key.startswith(f"users/{user}/inputs/") and key.endswith(f"/{sha256}")
    rows = await world.pool.fetch("SELECT width, generation_id FROM files WHERE key = $1", key)
    assert [row["width"] for row in rows] == [64, 64]
    assert {row["generation_id"] for row in rows} == {None, generation}
    assert "base64" not in await world.pool.fetchval("SELECT request::text FROM generations")


async def test_the_same_picture_under_the_same_key_is_stored_once(world: World) -> None:
    _, headers = await world.user()
    keyed = headers | {"Idempotency-Key": "p1"}

    replies = [await world.client.post("/v1/generations", headers=keyed, json=with_data(picture())) for _ in range(2)]

    assert replies[0].content == replies[1].content
    assert await world.pool.fetchval("SELECT count(*) FROM files WHERE generation_id IS NULL") == 1


@pytest.mark.parametrize(
    "data", ["hello", "data:image/png;base64,AAAA", "data:text/html;base64,AAAA", "data:image/png;base64,%%"]
)
async def test_what_is_no_picture_is_400_and_leaves_nothing_behind(world: World, data: str) -> None:
    _, headers = await world.user()

    refused = await world.client.post("/v1/generations", headers=headers, json=with_data(picture(), data))

    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (400, "inputs.1.data")
    assert await world.pool.fetchval("SELECT count(*) FROM files") == 0


async def test_pictures_of_a_declined_request_are_removed_again(world: World) -> None:
    _, headers = await world.user()
    world.neighbours.answer = declined

    refused = await world.client.post("/v1/generations", headers=headers, json=with_data(picture()))

    assert refused.status_code == 402
    assert await world.pool.fetchval("SELECT count(*) FROM files") == 0


async def test_an_input_names_exactly_one_picture(world: World) -> None:
    _, headers = await world.user()
    both = {"role": "image", "data": picture(), "url": "https://cdn.shop-pictures.net/me.png"}

    for inputs in ([both], [{"role": "image"}]):
        refused = await world.client.post("/v1/generations", headers=headers, json=IMAGE | {"inputs": inputs})
        assert refused.status_code == 400

"""An edit without a size gets the offered size nearest to its input's shape, at that price."""

import asyncio
import base64
import io

import pytest
from PIL import Image

from atelier_contracts import GenerationFailed, GenerationRequested
from atelier_gateway.generations.image_models import GPT_SIZES, SEED_SIZES, nearest_size
from atelier_pricing import Price, price

from ..support.workspace import team_of
from ..support.world import World

PORTRAIT, LANDSCAPE, SQUARE = (300, 600), (400, 300), (64, 64)


@pytest.mark.parametrize(
    ("shape", "later", "seeds"),
    [
        (PORTRAIT, "1024x1536", "1024x1792"),
        (LANDSCAPE, "1536x1024", "1792x1024"),
        ((4000, 3000), "1536x1024", "1792x1024"),
        (SQUARE, "1024x1024", "1024x1024"),
        ((1100, 1000), "1024x1024", "1024x1024"),
        ((1, 9000), "1024x1536", "1024x1792"),
    ],
)
def test_the_nearest_size_is_that_of_the_nearest_shape(shape: tuple[int, int], later: str, seeds: str) -> None:
    assert (nearest_size(GPT_SIZES, *shape), nearest_size(SEED_SIZES, *shape)) == (later, seeds)


def test_of_sizes_of_one_shape_the_default_is_taken() -> None:
    assert nearest_size(["256x256", "512x512", "1024x1024"], 300, 300) == "1024x1024"


def image_bytes(size: tuple[int, int], orientation: int | None = None) -> bytes:
    """A picture; with an orientation, stored on its side as a phone does."""
    out = io.BytesIO()
    exif = Image.Exif()
    if orientation:
        exif[0x0112] = orientation
    Image.new("RGB", size, "red").save(out, "JPEG", exif=exif)
    return out.getvalue()


def last_request(world: World) -> GenerationRequested:
    message = world.neighbours.heard[-1].message
    assert isinstance(message, GenerationRequested)
    return message


async def edit(world: World, headers: dict[str, str], picture: bytes, path: str, **fields: str) -> GenerationRequested:
    """POSTs an edit, and while that waits the session reports a failure: what reached the session."""
    files = {"image": ("me.jpg", picture, "image/jpeg")}
    waiting = asyncio.create_task(world.client.post(path, headers=headers, files=files, data=fields))

    async def has_started() -> bool:
        return bool(world.neighbours.started)

    await world.until(has_started)
    request = last_request(world)
    failure = GenerationFailed(
        generation_id=request.generation_id, outcome="failed", code="provider_failed", reason="no", refunded=1
    )
    await world.neighbours.say(failure)
    await waiting
    return request


def credits_of(request: GenerationRequested) -> int:
    found = price("image", quality=request.work.quality, size=request.work.size, n=request.work.n)
    assert isinstance(found, Price)
    return found.credits


@pytest.mark.stack
@pytest.mark.parametrize("size", [{}, {"size": "auto"}], ids=["none", "auto"])
@pytest.mark.parametrize(
    ("picture", "made", "costs"),
    [
        (image_bytes(PORTRAIT), "1024x1536", 15),
        (image_bytes(LANDSCAPE), "1536x1024", 15),
        (image_bytes(PORTRAIT, orientation=6), "1536x1024", 15),
        (image_bytes(SQUARE), "1024x1024", 10),
    ],
    ids=["portrait", "landscape", "turned", "square"],
)
async def test_an_edit_in_openais_shape_keeps_the_shape_of_its_picture(
    world: World, size: dict[str, str], picture: bytes, made: str, costs: int
) -> None:
    _, headers = await world.store()

    request = await edit(world, headers, picture, "/v1/images/edits", prompt="a hat", **size)

    assert (request.spec.size, credits_of(request)) == (made, costs)


@pytest.mark.stack
async def test_a_variation_keeps_the_shape_too_and_a_named_size_is_made(world: World) -> None:
    _, headers = await world.store()

    varied = await edit(world, headers, image_bytes(PORTRAIT), "/v1/images/variations")
    world.neighbours.started.clear()
    named = await edit(world, headers, image_bytes(PORTRAIT), "/v1/images/variations", size="256x256")

    assert (varied.spec.size, named.spec.size) == ("1024x1536", "256x256")


@pytest.mark.stack
@pytest.mark.parametrize(
    ("shape", "model", "size", "costs"),
    [
        (PORTRAIT, None, "1024x1792", 15),
        (LANDSCAPE, None, "1792x1024", 15),
        (PORTRAIT, "gpt-image-2", "1024x1536", 15),
        ((4000, 3000), None, "1792x1024", 15),
    ],
)
async def test_a_native_edit_is_quoted_priced_and_made_in_the_same_size(
    world: World, shape: tuple[int, int], model: str | None, size: str, costs: int
) -> None:
    _, headers = await world.store()
    data = f"data:image/jpeg;base64,{base64.b64encode(image_bytes(shape)).decode()}"
    body = {"kind": "image", "prompt": "a hat", "inputs": [{"role": "image", "data": data}]}
    body |= {"model": model} if model else {}

    quote = await world.client.post("/v1/quotes", headers=headers, json=body)
    stored = await world.pool.fetchval("SELECT count(*) FROM files")
    made = await world.client.post("/v1/generations", headers=headers, json=body)

    assert (quote.json()["credits"], made.json()["credits"]["reserved"]) == (costs, costs), made.text
    assert last_request(world).spec.size == size
    assert stored == 0, "a quote stores nothing"


@pytest.mark.stack
async def test_an_edit_of_a_picture_out_in_the_world_is_made_and_priced_as_the_square(world: World) -> None:
    """L8: without a size it would be made larger than it is priced."""
    _, headers = await world.store()
    inputs = [{"role": "image", "url": "https://cdn.shop-pictures.net/me.png"}]

    made = await world.client.post(
        "/v1/generations", headers=headers, json={"kind": "image", "prompt": "a hat", "inputs": inputs}
    )

    assert (made.json()["credits"]["reserved"], last_request(world).spec.size) == (10, "1024x1024")


@pytest.mark.stack
async def test_an_edit_of_seed_003_without_a_size_has_the_seeds_default(world: World) -> None:
    team = await team_of(world)

    await team.ask({"Prefer": "respond-async"}, prompt="a hat", image="https://cdn.shop-pictures.net/me.png")

    assert team.last_request().spec.size == "1024x1024"

"""The stock client orders files: transparent ones really are, and compressed ones are smaller."""

import base64
import io
from typing import Any

import numpy as np
import openai
import PIL.Image
import pytest

from atelier_provider_simulator.control import Control
from whole_system.shops import open_shop, read_books
from whole_system.world import World


async def test_local_leaves_out_the_background_and_says_so(world: World, provider_simulator: Control) -> None:
    """A request without a model fails over to the local composer."""
    await provider_simulator.plan("openai", "out_of_quota")
    async with open_shop(world, 20) as (owner, client):
        made: Any = await client.images.generate(
            prompt="a red house", background="transparent", output_format="webp", response_format="b64_json"
        )

        picture = PIL.Image.open(io.BytesIO(base64.b64decode(made.data[0].b64_json)))
        alpha = np.asarray(picture.convert("RGBA").getchannel("A"))
        assert (made.background, made.made_by["provider"]) == ("transparent", "local")
        assert (picture.format, picture.mode) == ("WEBP", "RGBA")
        assert (alpha == 0).mean() > 0.5 and (alpha == 255).any()
        assert await read_books(world, owner) == (10, 0, 10)


async def test_what_has_no_background_is_a_bad_request_and_free(world: World, provider_simulator: Control) -> None:
    await provider_simulator.plan("openai", "out_of_quota")
    async with open_shop(world, 20) as (owner, client):
        with pytest.raises(openai.BadRequestError) as refused:
            await client.images.generate(prompt="an abstract pattern", background="transparent")

        assert refused.value.code == "invalid_input"
        assert await read_books(world, owner) == (20, 0, 0)


@pytest.mark.parametrize("maker", ["openai", "local"])
async def test_a_compressed_picture_is_smaller(world: World, provider_simulator: Control, maker: str) -> None:
    if maker == "local":
        await provider_simulator.plan("openai", "out_of_quota", times=2)
    sizes = []
    async with open_shop(world, 20) as (_, client):
        for compression in (10, 100):
            made: Any = await client.images.generate(
                prompt="a lake", output_format="jpeg", output_compression=compression, response_format="b64_json"
            )
            sizes.append(len(base64.b64decode(made.data[0].b64_json)))
            assert made.made_by["provider"] == maker

    assert sizes[0] < sizes[1] / 2


@pytest.mark.parametrize("maker", ["openai", "local"])
async def test_the_largest_picture_in_the_finest_quality_is_made_and_priced_by_book_v3(
    world: World, provider_simulator: Control, maker: str
) -> None:
    if maker == "local":
        await provider_simulator.plan("openai", "out_of_quota")
    async with open_shop(world, 300) as (owner, client):
        made: Any = await client.images.generate(
            prompt="a lake", size="3840x2160", quality="max", response_format="b64_json"
        )

        picture = PIL.Image.open(io.BytesIO(base64.b64decode(made.data[0].b64_json)))
        assert (made.made_by["provider"], made.quality, picture.size) == (maker, "max", (3840, 2160))
        assert await read_books(world, owner) == (60, 0, 240)


@pytest.mark.parametrize("maker", ["openai", "local"])
async def test_an_edit_takes_sixteen_pictures(world: World, provider_simulator: Control, maker: str) -> None:
    if maker == "local":
        await provider_simulator.plan("openai", "out_of_quota")
    files = []
    for number in range(16):
        out = io.BytesIO()
        PIL.Image.new("RGB", (800, 600), (16 * number, 90, 200)).save(out, "png")
        files.append((f"{number}.png", out.getvalue(), "image/png"))
    async with open_shop(world, 200) as (owner, client):
        made: Any = await client.images.edit(
            image=files, prompt="all of them on a table", size="2560x1440", response_format="b64_json"
        )

        picture = PIL.Image.open(io.BytesIO(base64.b64decode(made.data[0].b64_json)))
        assert (made.made_by["provider"], picture.size) == (maker, (2560, 1440))
        assert await read_books(world, owner) == (170, 0, 30)


@pytest.mark.parametrize("maker", ["openai", "local"])
async def test_a_picture_of_another_size_is_made_in_it_at_the_tiers_price(
    world: World, provider_simulator: Control, maker: str
) -> None:
    if maker == "local":
        await provider_simulator.plan("openai", "out_of_quota")
    async with open_shop(world, 20) as (owner, client):
        made: Any = await client.images.generate(prompt="a lake", size="1536x864", response_format="b64_json")

        picture = PIL.Image.open(io.BytesIO(base64.b64decode(made.data[0].b64_json)))
        assert (made.made_by["provider"], made.size, picture.size) == (maker, "1536x864", (1536, 864))
        assert await read_books(world, owner) == (5, 0, 15)

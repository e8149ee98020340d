"""What a finished picture is said to be comes from its pixels."""

import io

import pytest
from PIL import Image

from atelier_imaging import Analysis, ImageRefused, ImageWorkers
from atelier_imaging.analysis import analyse

from .conftest import encode_image


def stripes(mode: str = "RGB") -> Image.Image:
    """Half red, a third green, the rest blue; 600 x 300."""
    image = Image.new(mode, (600, 300), "#d01010")
    image.paste("#10b020", (300, 0, 500, 300))
    image.paste("#1030d0", (500, 0, 600, 300))
    return image


@pytest.mark.parametrize("format_", ["PNG", "WEBP", "JPEG"])
def test_measures_thumbnail_and_colours_come_from_the_pixels(format_: str) -> None:
    found = analyse(encode_image(stripes(), format_, **({"lossless": True} if format_ == "WEBP" else {})))

    assert isinstance(found, Analysis)
    assert (found.format, found.width, found.height) == (format_.lower(), 600, 300)
    thumbnail = Image.open(io.BytesIO(found.thumbnail))
    assert (thumbnail.format, thumbnail.size) == ("WEBP", (256, 128))
    channels = [tuple(bytes.fromhex(colour[1:])) for colour in found.colours[:3]]
    wanted = [(208, 16, 16), (16, 176, 32), (16, 48, 208)]
    assert all(
        abs(a - b) < 12 for got, want in zip(channels, wanted, strict=True) for a, b in zip(got, want, strict=True)
    )


def test_of_one_colour_there_is_one_and_what_is_transparent_is_white() -> None:
    clear = Image.new("RGBA", (40, 20), (10, 20, 30, 0))

    found = analyse(encode_image(clear))

    assert isinstance(found, Analysis)
    assert found.colours == ("#ffffff",)
    assert Image.open(io.BytesIO(found.thumbnail)).size == (40, 20)


def test_what_cannot_be_decoded_is_refused() -> None:
    found = analyse(encode_image(stripes(), "JPEG")[:2_000])

    assert isinstance(found, ImageRefused)
    assert found.code == "broken"


async def test_a_child_answers_the_same() -> None:
    workers = ImageWorkers(workers=1)

    found = await workers.analyse(encode_image(stripes()))
    refused = await workers.analyse(b"no picture")
    await workers.close()

    assert found == analyse(encode_image(stripes()))
    assert isinstance(refused, ImageRefused)

"""A disputed picture is decoded whole, and what it shows is measured on its pixels."""

import pytest
from PIL import Image

from atelier_imaging import ImageRefused, ImageWorkers, Inspection
from atelier_imaging.inspection import inspect

from .conftest import encode_image


def checked() -> Image.Image:
    image = Image.new("RGB", (64, 48), "#202020")
    image.paste("#e0e0e0", (8, 8, 20, 20))
    return image


@pytest.mark.parametrize("format_", ["PNG", "JPEG", "WEBP"])
def test_a_picture_of_one_colour_has_no_spread_and_another_one_has(format_: str) -> None:
    plain = inspect(encode_image(Image.new("RGB", (64, 48), "#3070b0"), format_))
    shows = inspect(encode_image(checked(), format_))

    assert isinstance(plain, Inspection) and isinstance(shows, Inspection)
    assert plain.spread <= 8
    assert shows.spread > 150
    assert (shows.format, shows.width, shows.height) == (format_.lower(), 64, 48)


def test_a_picture_that_is_all_transparent_has_no_spread() -> None:
    noisy = Image.effect_noise((64, 48), 90).convert("RGB")
    noisy.putalpha(0)

    found = inspect(encode_image(noisy, "PNG"))

    assert isinstance(found, Inspection) and found.spread == 0


def test_the_same_pixels_in_another_file_have_the_same_digest() -> None:
    image = checked()
    png, webp = (
        inspect(encode_image(image, name, **more)) for name, more in (("PNG", {}), ("WEBP", {"lossless": True}))
    )
    image.putpixel((0, 0), (33, 32, 32))
    other = inspect(encode_image(image, "PNG"))

    assert isinstance(png, Inspection) and isinstance(webp, Inspection) and isinstance(other, Inspection)
    assert png.pixels_sha256 == webp.pixels_sha256 != other.pixels_sha256


async def test_a_child_inspects_and_a_cut_off_file_is_broken() -> None:
    workers = ImageWorkers(workers=1)
    try:
        whole = await workers.inspect(encode_image(checked(), "PNG"))
        cut = await workers.inspect(encode_image(checked(), "PNG")[:90])
    finally:
        await workers.close()

    assert whole == inspect(encode_image(checked(), "PNG"))
    assert isinstance(cut, ImageRefused) and cut.code == "broken"

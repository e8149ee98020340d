"""A finished picture is brought into the requested size and format, or refused."""

import io

import pytest
from PIL import Image

from atelier_imaging.fit import fit_image
from atelier_imaging.pictures import CONTENT_TYPES, CompositionSpec, EncodedPicture, ImageFormat, ImageRefused
from atelier_imaging.pool import ImageWorkers
from atelier_imaging.xmp import source_type_in, xmp_packet


def two_halves(width: int, height: int, mode: str = "RGB") -> bytes:
    """Red on the left, blue on the right."""
    picture = Image.new(mode, (width, height), (255, 0, 0))
    picture.paste((0, 0, 255), (width // 2, 0, width, height))
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


@pytest.mark.parametrize("image_format", ["png", "jpeg", "webp", "avif"])
def test_a_picture_gets_the_sides_and_the_format_asked_for_and_keeps_its_middle(image_format: ImageFormat) -> None:
    made = fit_image(CompositionSpec("image", width=60, height=60, image_format=image_format), two_halves(120, 40))

    assert isinstance(made, EncodedPicture) and made.content_type == f"image/{image_format}"
    with Image.open(io.BytesIO(made.data)) as picture:
        assert picture.size == (made.width, made.height) == (60, 60)
        left, right = picture.convert("RGB").getpixel((5, 30)), picture.convert("RGB").getpixel((54, 30))
    assert isinstance(left, tuple) and isinstance(right, tuple)
    assert left[0] > 240 > 15 > left[2] and right[2] > 240 > 15 > right[0]


@pytest.mark.parametrize("image_format", CONTENT_TYPES)
def test_the_mark_of_how_a_picture_was_made_stays_on_it(image_format: ImageFormat) -> None:
    source = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
    marked = io.BytesIO()
    Image.open(io.BytesIO(two_halves(40, 40))).save(marked, "WEBP", xmp=xmp_packet(source, "A provider"))

    made, plain = (
        fit_image(CompositionSpec("image", width=20, height=20, image_format=image_format), data)
        for data in (marked.getvalue(), two_halves(40, 40))
    )

    assert isinstance(made, EncodedPicture) and isinstance(plain, EncodedPicture)
    assert (source_type_in(made.data), source_type_in(plain.data)) == (source, None)
    with Image.open(io.BytesIO(made.data)) as picture:
        assert "DigitalSourceType" in str(picture.info["xmp"])


def test_without_sides_only_the_format_changes_and_what_was_transparent_is_paper() -> None:
    clear = io.BytesIO()
    Image.new("RGBA", (30, 20), (0, 0, 0, 0)).save(clear, "PNG")

    made = fit_image(CompositionSpec("image", image_format="png"), clear.getvalue())

    assert isinstance(made, EncodedPicture) and (made.width, made.height) == (30, 20)
    with Image.open(io.BytesIO(made.data)) as picture:
        assert picture.mode == "RGB" and picture.getpixel((3, 3)) == (255, 255, 255)


async def test_what_cannot_be_decoded_is_refused_by_the_child() -> None:
    workers = ImageWorkers(workers=1)
    broken = two_halves(40, 40)[:-30]

    assert isinstance(await workers.fit(broken, width=10, height=10, image_format="png"), ImageRefused)
    made = await workers.fit(two_halves(40, 40), width=10, height=10, image_format="webp")
    await workers.close()

    assert isinstance(made, EncodedPicture) and (made.width, made.height) == (10, 10)

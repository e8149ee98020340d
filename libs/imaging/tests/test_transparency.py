"""Backgrounds are really left out, and compression really makes files smaller."""

import io
from collections.abc import AsyncIterator

import numpy as np
import pytest
from PIL import Image, ImageDraw

from atelier_imaging.pictures import CompositionSpec, EncodedPicture, ImageFormat, ImageRefused
from atelier_imaging.pool import ImageWorkers


@pytest.fixture(scope="module")
async def workers() -> AsyncIterator[ImageWorkers]:
    pool = ImageWorkers(workers=1)
    yield pool
    await pool.close()


def opened(made: EncodedPicture | ImageRefused) -> Image.Image:
    assert isinstance(made, EncodedPicture), made
    return Image.open(io.BytesIO(made.data))


def shirt() -> bytes:
    picture = Image.new("RGB", (320, 320), (240, 239, 235))
    ImageDraw.Draw(picture).rectangle((100, 60, 220, 280), fill=(180, 30, 40))
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


@pytest.mark.parametrize("image_format", ["png", "webp", "avif"])
@pytest.mark.parametrize("prompt", ["a red house", "mountains at sunset", "a planet in space"])
async def test_what_is_drawn_stands_before_nothing(
    workers: ImageWorkers, prompt: str, image_format: ImageFormat
) -> None:
    spec = CompositionSpec("image", 3, image_format, 256, 256, prompt=prompt, transparent=True)

    picture = opened(await workers.compose(spec, []))

    assert (picture.mode, picture.size) == ("RGBA", (256, 256))
    alpha = np.asarray(picture.getchannel("A"))
    assert (alpha == 0).any() and (alpha == 255).any()
    assert alpha[:8].max() == 0, "the sky is not left out"


async def test_a_photograph_loses_its_ground_and_keeps_its_subject(workers: ImageWorkers) -> None:
    spec = CompositionSpec("image", 3, "png", 320, 320, prompt="by the sea", transparent=True)

    picture = opened(await workers.compose(spec, [("image", shirt())]))

    alpha = np.asarray(picture.getchannel("A"))
    assert alpha[150:200, 140:180].min() == 255 and alpha[:20, :20].max() == 0


async def test_a_picture_without_a_subject_is_refused_in_words(workers: ImageWorkers) -> None:
    spec = CompositionSpec("image", 3, "png", 256, 256, prompt="an abstract pattern", transparent=True)

    refused = await workers.compose(spec, [])

    assert isinstance(refused, ImageRefused) and refused.code == "no_subject"


@pytest.mark.parametrize("image_format", ["jpeg", "webp"])
async def test_the_lower_the_quality_the_smaller_the_file(workers: ImageWorkers, image_format: ImageFormat) -> None:
    sizes = []
    for compression in (10, 60, None, 100):
        spec = CompositionSpec("image", 3, image_format, 256, 256, prompt="a lake", compression=compression)
        made = await workers.compose(spec, [])
        assert isinstance(made, EncodedPicture)
        sizes.append(len(made.data))

    assert sizes == sorted(set(sizes))


async def test_a_fitted_picture_stays_transparent_where_that_is_wanted(workers: ImageWorkers) -> None:
    out = io.BytesIO()
    Image.new("RGBA", (40, 40), (10, 20, 30, 0)).save(out, "PNG")

    kept = opened(await workers.fit(out.getvalue(), width=20, height=20, image_format="webp", transparent=True))
    on_white = opened(await workers.fit(out.getvalue(), width=20, height=20, image_format="webp"))

    assert kept.mode == "RGBA" and kept.getpixel((9, 9))[3] == 0  # type: ignore[index]
    assert on_white.convert("RGB").getpixel((9, 9)) == (255, 255, 255)

"""Finished pictures as files."""

import hashlib
import io

import numpy as np
import pytest
from PIL import Image, ImageCms

from atelier_imaging.encoder import encode
from atelier_imaging.pictures import CONTENT_TYPES, ImageFormat

PIXELS = np.random.default_rng(3).integers(0, 255, (300, 2000, 3), dtype=np.uint8)


@pytest.mark.parametrize("image_format", CONTENT_TYPES)
def test_a_picture_is_bounded_described_and_without_metadata(image_format: ImageFormat) -> None:
    picture = encode(PIXELS, image_format)

    parse_prompt = Image.open(io.BytesIO(picture.data))
    assert parse_prompt.format == image_format.upper()
    assert picture.content_type == f"image/{image_format}"
    assert parse_prompt.size == (picture.width, picture.height) == (1536, 230)
    assert picture.sha256 == hashlib.sha256(picture.data).hexdigest()
    assert not parse_prompt.getexif()
    assert not {"xmp", "comment", "exif"} & set(parse_prompt.info)
    profile = ImageCms.ImageCmsProfile(io.BytesIO(parse_prompt.info["icc_profile"]))
    assert ImageCms.getProfileDescription(profile).startswith("sRGB")


@pytest.mark.parametrize("image_format", CONTENT_TYPES)
def test_the_same_pixels_give_the_same_bytes(image_format: ImageFormat) -> None:
    assert encode(PIXELS, image_format) == encode(PIXELS.copy(), image_format)


def test_another_bound_may_be_asked_for_and_nothing_is_enlarged() -> None:
    assert encode(PIXELS, "png", long_side_max=100).width == 100
    assert encode(PIXELS[:10, :20], "png").width == 20

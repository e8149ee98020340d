"""A picture is believed only if its bytes are what they are said to be."""

import io
from dataclasses import replace

import pytest
from PIL import Image

from atelier_render.providers.protocol import Picture
from atelier_render.providers.verification import flaw, type_of


def picture(image_format: str = "PNG") -> Picture:
    out = io.BytesIO()
    Image.linear_gradient("L").convert("RGB").resize((40, 30)).save(out, image_format)
    return Picture(out.getvalue(), f"image/{image_format.lower()}", 40, 30)


@pytest.mark.parametrize("image_format", ["PNG", "JPEG", "WEBP"])
def test_a_whole_picture_has_no_flaw(image_format: str) -> None:
    assert flaw(picture(image_format)) is None


@pytest.mark.parametrize("image_format", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("kept", [0, 10, -1])
def test_a_truncated_picture_is_found_out(image_format: str, kept: int) -> None:
    whole = picture(image_format)

    assert flaw(replace(whole, data=whole.data[:kept])) is not None


def test_a_flipped_byte_in_a_png_is_found_out() -> None:
    whole = picture()
    flipped = bytearray(whole.data)
    flipped[len(flipped) // 2] ^= 1

    assert flaw(replace(whole, data=bytes(flipped))) == "a checksum inside the PNG does not match"


def test_a_wrong_word_about_type_or_size_is_no_flaw_but_is_not_believed() -> None:
    mislabelled = replace(picture("WEBP"), content_type="image/png", width=41)

    assert flaw(mislabelled) is None
    assert type_of(mislabelled.data) == "image/webp"


def test_the_providers_own_checksum_must_match() -> None:
    assert flaw(replace(picture(), sha256="0" * 64)) == "the bytes do not match the provider's own checksum"


def test_an_error_page_is_no_picture() -> None:
    assert flaw(Picture(b"<html>busy</html>", "image/png", 1, 1)) is not None
    assert type_of(b"<html>busy</html>") is None

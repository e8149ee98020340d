"""Photographs drawn for the tests: a person before a wall, garments on plain ground, all small and made in memory."""

import io
from collections.abc import Callable

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter

cv2.setNumThreads(1)  # as in the children

WALL, SKIN, SWEATER, GROUND = (196, 204, 210), (222, 170, 140), (110, 130, 90), (240, 239, 235)


def encode_image(image: Image.Image, format_: str = "PNG", **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, format_, **options)
    return out.getvalue()


_UNDO = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def as_stored(upright: Image.Image, orientation: int) -> Image.Image:
    """The pixels of a file whose EXIF orientation makes them ``upright``."""
    return upright.transpose(_UNDO[orientation]) if orientation in _UNDO else upright


def add_grain(image: Image.Image) -> Image.Image:
    """Soft edges and the noise of a sensor, without which nothing here would resemble a photograph."""
    soft = np.asarray(image.filter(ImageFilter.GaussianBlur(1))).astype(np.float64)
    noise = np.random.default_rng(0).normal(0, 2, soft.shape)
    return Image.fromarray(np.clip(soft + noise, 0, 255).astype(np.uint8))


@pytest.fixture(scope="session")
def person() -> bytes:
    """Head and torso, 400 x 520."""
    image = Image.new("RGB", (400, 520), WALL)
    pen = ImageDraw.Draw(image)
    pen.polygon([(170, 185), (230, 185), (310, 225), (330, 520), (70, 520), (90, 225)], fill=SWEATER)
    pen.rectangle((178, 150, 222, 200), fill=SKIN)
    pen.ellipse((150, 50, 250, 175), fill=SKIN)
    pen.chord((145, 40, 255, 170), 180, 360, fill=(70, 45, 30))
    for x in (180, 220):
        pen.ellipse((x - 8, 105, x + 8, 115), fill=(40, 30, 30))
    pen.arc((180, 125, 220, 150), 20, 160, fill=(150, 60, 60), width=5)
    return encode_image(add_grain(image))


@pytest.fixture(scope="session")
def shirt() -> Callable[..., bytes]:
    """A T-shirt of one colour on a plain ground, 300 x 340, in the requested format."""

    def draw_shirt(colour: tuple[int, int, int], format_: str = "PNG") -> bytes:
        image = Image.new("RGB", (300, 340), GROUND)
        left = [(120, 25), (80, 40), (15, 120), (50, 145), (82, 115), (82, 320)]
        ImageDraw.Draw(image).polygon([*left, *((300 - x, y) for x, y in reversed(left))], fill=colour)
        ImageDraw.Draw(image).ellipse((120, 5, 180, 50), fill=GROUND)
        return encode_image(add_grain(image), format_)

    return draw_shirt


@pytest.fixture(scope="session")
def trousers() -> bytes:
    image = Image.new("RGB", (240, 360), GROUND)
    legs = [(70, 20), (170, 20), (200, 345), (140, 345), (120, 120), (100, 345), (40, 345)]
    ImageDraw.Draw(image).polygon(legs, fill=(40, 60, 150))
    return encode_image(add_grain(image))

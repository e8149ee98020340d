"""The demo's pictures exist without a download and are what the try-on needs."""

import io

import numpy as np
from PIL import Image

from atelier_local.demo.photos import garment_photo, person_photo


def test_the_person_is_the_packaged_portrait() -> None:
    portrait = Image.open(io.BytesIO(person_photo()))

    assert (portrait.format, portrait.size) == ("PNG", (512, 512))


def test_the_garment_is_a_dark_print_on_plain_light_ground_and_always_the_same() -> None:
    data = garment_photo()

    pixels = np.asarray(Image.open(io.BytesIO(data)))
    assert pixels.shape == (1040, 960, 3)
    assert pixels[:20].min() > 220
    assert pixels[400:800, 300:660].mean() < 90
    assert garment_photo() == data

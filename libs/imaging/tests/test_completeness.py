"""A picture that lacks its tail is refused, however little of it is lost; what follows its end does not matter."""

import io

import numpy as np
import pytest
from PIL import Image

from atelier_imaging.decoder import Photo, normalise
from atelier_imaging.pictures import ImageRefused

KINDS: dict[str, dict[str, object]] = {
    "PNG": {},
    "JPEG": {"quality": 85},
    "JPEG progressive": {"progressive": True, "quality": 85},
    "JPEG with restarts": {"restart_marker_blocks": 2},
    "JPEG with a thumbnail": {"exif": b"Exif\x00\x00II*\x00\xff\xd8\xff\xd9"},
    "WEBP": {},
    "WEBP lossless": {"lossless": True},
}


def image_file(kind: str) -> bytes:
    pixels = np.random.default_rng(7).integers(0, 255, (70, 90, 3), np.uint8)
    made = io.BytesIO()
    Image.fromarray(pixels).save(made, kind.split()[0], **KINDS[kind])
    return made.getvalue()


@pytest.mark.parametrize("kind", KINDS)
def test_a_whole_picture_is_taken_whatever_follows_it(kind: str) -> None:
    data = image_file(kind)

    assert isinstance(normalise(data), Photo)
    assert isinstance(normalise(data + b"\xff\xda\x00\x08 a video, for instance"), Photo)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("lost", [1, 2, 4, 12, 20, 200])
def test_a_cut_picture_is_refused(kind: str, lost: int) -> None:
    refused = normalise(image_file(kind)[:-lost])

    assert isinstance(refused, ImageRefused)
    assert (refused.code, "truncated" in refused.message) == ("broken", True)

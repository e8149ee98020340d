"""The formats that are taken beside PNG, JPEG and WebP: what counts of them, and what is refused."""

import io

import numpy as np
import pillow_heif
import pytest
from PIL import Image

from atelier_imaging.decoder import Photo, normalise
from atelier_imaging.pictures import ImageRefused

from .conftest import as_stored, encode_image

pillow_heif.register_heif_opener()

HALVES = np.full((48, 64, 3), 250, np.uint8)
HALVES[:, :16] = (220, 30, 40)
PICTURE = Image.fromarray(HALVES)
FRAMES = [PICTURE, *(Image.new("RGB", (64, 48), colour) for colour in ("green", "blue"))]
ANIMATION = {"save_all": True, "append_images": FRAMES[1:], "duration": 100}


def decode_photo(data: bytes) -> Photo:
    photo = normalise(data)
    assert isinstance(photo, Photo), photo
    return photo


def collection() -> bytes:
    """Three pictures in one HEIF; the first is its primary one."""
    file = pillow_heif.from_pillow(FRAMES[0])
    for frame in FRAMES[1:]:
        file.add_from_pillow(frame)
    out = io.BytesIO()
    file.save(out, quality=95)
    return out.getvalue()


FIRST_OF = {
    "HEIC": encode_image(PICTURE, "HEIF", quality=95),
    "HEIC of several pictures": collection(),
    "AVIF": encode_image(PICTURE, "AVIF", quality=95),
    "GIF": encode_image(PICTURE, "GIF"),
    "animated GIF": encode_image(PICTURE, "GIF", **ANIMATION),
    "GIF without its last byte": encode_image(PICTURE, "GIF")[:-1],
    "HEIC with a film behind it": encode_image(PICTURE, "HEIF", quality=95) + b"\0\0\1\0mpvd" + bytes(248),
    "HEIC with bytes behind it": encode_image(PICTURE, "HEIF", quality=95) + b"\xff\xfe\0\1" * 40,
    "MPO": encode_image(PICTURE, "MPO", save_all=True, append_images=[PICTURE.resize((32, 24))]),
}


@pytest.mark.parametrize("name", FIRST_OF)
def test_the_first_picture_of_a_file_is_taken(name: str) -> None:
    photo = decode_photo(FIRST_OF[name])

    assert (photo.info.width, photo.info.height) == (64, 48)
    assert np.abs(photo.rgb[24, 8].astype(int) - (220, 30, 40)).max() <= 12
    assert photo.rgb[24, 40].min() >= 240


def test_each_format_is_told_from_its_bytes_with_its_media_type() -> None:
    formats = {"HEIF": "image/heic", "AVIF": "image/avif", "GIF": "image/gif", "MPO": "image/jpeg"}

    told = {format_: decode_photo(encode_image(PICTURE, format_)).info.content_type for format_ in formats}

    assert told == formats


@pytest.mark.parametrize("format_", ["HEIF", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_picture_of_a_phone_is_put_upright_once(format_: str, orientation: int) -> None:
    stored = as_stored(PICTURE, orientation)
    exif = Image.Exif()
    exif[0x0112] = orientation

    photo = decode_photo(encode_image(stored, format_, quality=95, exif=exif.tobytes()))

    assert (photo.info.width, photo.info.height) == (64, 48)
    assert photo.rgb[24, 8, 1] < 80
    assert photo.rgb[24, 40].min() >= 240


REFUSED = {
    "animated AVIF": (encode_image(PICTURE, "AVIF", **ANIMATION), "animated"),
    "AVIF cut short": (encode_image(PICTURE, "AVIF")[:-20], "broken"),
    "HEIC cut short": (encode_image(PICTURE, "HEIF")[:-20], "broken"),
    "GIF cut short": (encode_image(PICTURE, "GIF")[:-40], "broken"),
    "HEIC of its first box": (encode_image(PICTURE, "HEIF")[:28], "broken"),
    "GIF of its header": (encode_image(PICTURE, "GIF")[:13], "broken"),
    "film": (b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + bytes(100), "unsupported_format"),
    "GIF of 51 megapixels": (b"GIF89a\xd8\x27\x88\x13" + encode_image(PICTURE, "GIF")[10:], "too_many_pixels"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_cut_or_too_large_or_moves_is_refused(name: str) -> None:
    data, code = REFUSED[name]

    refused = normalise(data)

    assert isinstance(refused, ImageRefused)
    assert refused.code == code


@pytest.mark.parametrize("format_", ["HEIF", "AVIF", "GIF"])
def test_every_corruption_of_one_byte_is_an_answer_and_never_an_exception(format_: str) -> None:
    rng, original = np.random.default_rng(2), encode_image(PICTURE, format_)

    for _ in range(100):
        data = bytearray(original)
        data[int(rng.integers(len(data)))] ^= int(rng.integers(1, 256))
        assert isinstance(normalise(bytes(data)), (Photo, ImageRefused))

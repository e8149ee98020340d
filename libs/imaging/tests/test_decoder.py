"""What comes through the door for untrusted pictures, and what does not."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms

from atelier_imaging.decoder import Photo, normalise
from atelier_imaging.pictures import BYTES_MAX, ImageRefused

from .conftest import as_stored, encode_image

NOISE = Image.fromarray(np.random.default_rng(1).integers(0, 255, (60, 80, 3), dtype=np.uint8))
FRAMES = [Image.new("RGB", (16, 16), colour) for colour in ("red", "green", "blue")]


def decode_photo(data: bytes) -> Photo:
    photo = normalise(data)
    assert isinstance(photo, Photo), photo
    return photo


def png_that_claims(width: int, height: int) -> bytes:
    """A few hundred bytes that say they are a picture of any size."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(b"\0" * 100_000, 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


REFUSED = {
    "nothing": (b"", "unsupported_format"),
    "text": (b"hello, this is no picture at all", "unsupported_format"),
    "tiff": (encode_image(NOISE, "TIFF"), "unsupported_format"),
    "bmp": (encode_image(NOISE, "BMP"), "unsupported_format"),
    "svg": (b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>', "unsupported_format"),
    "gif that calls itself png": (b"\x89PNG\r\n\x1a\n" + encode_image(NOISE, "GIF"), "broken"),
    "html that calls itself jpeg": (b"\xff\xd8\xff<html><script>1</script>", "broken"),
    "text that calls itself webp": (b"RIFF\x10\0\0\0WEBPVP8 nonsense", "broken"),
    "truncated png": (encode_image(NOISE)[:-900], "broken"),
    "truncated jpeg": (encode_image(NOISE, "JPEG")[:-200], "broken"),
    "truncated webp": (encode_image(NOISE, "WEBP")[:-200], "broken"),
    "animated png": (encode_image(FRAMES[0], "PNG", save_all=True, append_images=FRAMES[1:]), "animated"),
    "animated webp": (encode_image(FRAMES[0], "WEBP", save_all=True, append_images=FRAMES[1:]), "animated"),
    "51 megapixels": (png_that_claims(10_200, 5_000), "too_many_pixels"),
    "bomb of 100 megapixels": (png_that_claims(10_000, 10_000), "too_many_pixels"),
    "bomb of 2 gigapixels": (png_that_claims(50_000, 40_000), "too_many_pixels"),
    "pixels that are not there": (png_that_claims(6_000, 6_000), "broken"),
    "more than 25 MB": (encode_image(NOISE) + b"\0" * BYTES_MAX, "too_many_bytes"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_still_photograph_of_bounded_size_is_refused(name: str) -> None:
    data, code = REFUSED[name]

    refused = normalise(data)

    assert isinstance(refused, ImageRefused)
    assert refused.code == code
    assert refused.message.endswith(".")


@pytest.mark.parametrize("format_", ["PNG", "JPEG", "WEBP"])
def test_the_three_formats_are_told_from_their_bytes(format_: str) -> None:
    photo = decode_photo(encode_image(NOISE, format_))

    assert photo.info.format == format_.lower()
    assert photo.rgb.shape == (60, 80, 3)
    assert photo.alpha is None


def test_every_corruption_of_one_byte_is_an_answer_and_never_an_exception() -> None:
    rng = np.random.default_rng(2)
    originals = [encode_image(NOISE, format_) for format_ in ("PNG", "JPEG", "WEBP")]

    for _ in range(300):
        data = bytearray(originals[int(rng.integers(3))])
        data[int(rng.integers(len(data)))] ^= int(rng.integers(1, 256))
        assert isinstance(normalise(bytes(data)), (Photo, ImageRefused))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_photograph_is_put_upright(orientation: int) -> None:
    upright = Image.new("RGB", (32, 16), "white")
    upright.paste("red", (0, 0, 8, 8))
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = as_stored(upright, orientation)

    photo = decode_photo(encode_image(stored, "PNG", exif=exif.tobytes()))

    assert (photo.info.width, photo.info.height) == (32, 16)
    assert np.array_equal(photo.rgb, np.asarray(upright))


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparency_is_kept_whatever_its_form(mode: str) -> None:
    image = Image.new("RGBA", (20, 20), (200, 10, 10, 255))
    image.paste((0, 0, 0, 0), (0, 0, 10, 20))

    photo = decode_photo(encode_image(image.convert(mode)))

    assert photo.info.has_alpha
    assert photo.alpha is not None
    assert photo.alpha[:, :10].max() == 0
    assert photo.alpha[:, 10:].min() == 255


def test_a_single_transparent_pixel_is_a_picture() -> None:
    photo = decode_photo(encode_image(Image.new("RGBA", (1, 1), (9, 9, 9, 0))))

    assert photo.rgb.tolist() == [[[255, 255, 255]]]


@pytest.mark.parametrize("mode", ["1", "L", "I;16", "P", "CMYK"])
def test_every_other_mode_becomes_rgb_with_its_brightness_kept(mode: str) -> None:
    grey = Image.fromarray(np.tile(np.array([0, 255], np.uint8), (20, 10)))
    image = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257) if mode == "I;16" else grey.convert(mode)

    photo = decode_photo(encode_image(image, "JPEG" if mode == "CMYK" else "PNG"))

    assert photo.rgb.shape == (20, 20, 3)
    assert photo.rgb[:, 0].max() < 60
    assert photo.rgb[:, 1].min() > 195


def test_colours_are_brought_from_their_profile_to_srgb() -> None:
    image = Image.new("RGB", (8, 8), (60, 200, 120))
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()

    same = decode_photo(encode_image(image, "PNG", icc_profile=lab))
    without = decode_photo(encode_image(image, "PNG", icc_profile=b"no profile at all"))

    assert np.abs(same.rgb.astype(int) - (60, 200, 120)).max() <= 1
    assert (without.rgb == (60, 200, 120)).all()


def test_the_second_picture_inside_a_phone_s_jpeg_is_not_an_animation() -> None:
    phone = encode_image(NOISE, "MPO", save_all=True, append_images=[NOISE.resize((40, 30))])

    photo = decode_photo(phone)

    assert photo.info.format == "jpeg"
    assert (photo.info.width, photo.info.height) == (80, 60)


def test_a_large_photograph_may_be_reduced_as_it_comes_in() -> None:
    photo = normalise(encode_image(NOISE), side_max_px=40)

    assert isinstance(photo, Photo)
    assert photo.rgb.shape == (30, 40, 3)
    assert (photo.info.width, photo.info.height) == (80, 60)

"""What leaves for a provider: one upright sRGB still without metadata, and a mask in its measures."""

import io

import numpy as np
import pillow_heif
import pytest
from PIL import Image

from atelier_imaging.decoder import Photo, normalise
from atelier_imaging.pictures import EncodedPicture, ImageRefused
from atelier_imaging.pool import ImageWorkers
from atelier_imaging.sanitiser import sanitise, sanitise_mask

from .conftest import encode_image
from .support.icc_profiles import ROTATED, rgb_profile
from .support.image_files import RGB, chunk, png, profile_chunk, with_chunks, with_segments

pillow_heif.register_heif_opener()

RNG = np.random.default_rng(3)
SCENE = Image.fromarray(RNG.integers(90, 110, (60, 80, 3), dtype=np.uint8))
CUT_OUT = Image.fromarray(np.dstack([np.asarray(SCENE), RNG.integers(0, 3, (60, 80), dtype=np.uint8) * 127]))
TURNED = Image.Exif()
TURNED[0x0112] = 6
TURNED[0x8825] = {1: "N", 2: (48.0, 51.0, 29.0)}
PLACE = TURNED.tobytes()
P3 = rgb_profile(2.2, ROTATED)

FILES = {
    "PNG": encode_image(SCENE),
    "PNG turned, with its place and words": with_chunks(
        encode_image(SCENE, exif=PLACE), chunk(b"tEXt", b"Author\0someone")
    ),
    "PNG with a profile": with_chunks(encode_image(SCENE), profile_chunk(P3)),
    "PNG of 16 bits": png(np.asarray(SCENE).astype(np.uint16) * 257, RGB),
    "PNG of grey": encode_image(SCENE.convert("L")),
    "PNG of 16-bit grey": encode_image(Image.fromarray(np.asarray(SCENE.convert("L")).astype(np.uint16) * 257)),
    "PNG cut out": encode_image(CUT_OUT),
    "PNG of a palette": encode_image(SCENE.quantize(16)),
    "JPEG": encode_image(SCENE, "JPEG", quality=90),
    "JPEG turned, with its place": encode_image(SCENE, "JPEG", exif=PLACE),
    "JPEG with a profile": encode_image(SCENE, "JPEG", icc_profile=P3),
    "JPEG of inks": encode_image(SCENE.convert("CMYK"), "JPEG"),
    "JPEG of grey": encode_image(SCENE.convert("L"), "JPEG"),
    "JPEG with a comment and a film behind it": with_segments(encode_image(SCENE, "JPEG"), (0xFE, b"someone"))
    + b"film" * 99,
    "MPO": encode_image(SCENE, "MPO", save_all=True, append_images=[SCENE.resize((40, 30))], exif=PLACE),
    "WebP": encode_image(SCENE, "WEBP", exif=PLACE),
    "WebP cut out": encode_image(CUT_OUT, "WEBP", lossless=True),
    "GIF": encode_image(SCENE, "GIF"),
    "HEIC": encode_image(SCENE, "HEIF", exif=PLACE),
    "AVIF": encode_image(SCENE, "AVIF", exif=PLACE),
}


def sanitise_file(data: bytes) -> EncodedPicture:
    found = sanitise(data)
    assert isinstance(found, EncodedPicture), found
    return found


@pytest.mark.parametrize("name", FILES)
def test_a_still_is_upright_srgb_without_a_word_beside_its_pixels(name: str) -> None:
    seen = normalise(FILES[name])
    assert isinstance(seen, Photo)

    sent = sanitise_file(FILES[name])

    opened = Image.open(io.BytesIO(sent.data))
    assert opened.format in ("PNG", "JPEG")
    assert opened.get_format_mimetype() == sent.content_type
    assert opened.size == (sent.width, sent.height) == (seen.info.width, seen.info.height)
    assert opened.mode == ("RGBA" if seen.info.has_alpha else "RGB")
    assert getattr(opened, "n_frames", 1) == 1
    assert not dict(opened.getexif())
    assert not set(opened.info) - {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
    again = normalise(sent.data)
    assert isinstance(again, Photo)
    assert np.abs(again.rgb.astype(int) - seen.rgb).max() <= 1


def test_the_pixels_of_an_upright_srgb_jpeg_stay_as_they_are_to_the_last_bit() -> None:
    given = FILES["JPEG with a comment and a film behind it"]
    data = with_segments(given, (0xE1, b"Exif\0\0II*\0"))

    sent = sanitise_file(data)

    assert len(sent.data) < len(given)
    before, after = Image.open(io.BytesIO(data)), Image.open(io.BytesIO(sent.data))
    assert (np.asarray(before) == np.asarray(after)).all()


def test_what_cannot_be_seen_is_not_sent() -> None:
    hidden = np.full((8, 8, 4), (255, 0, 255, 0), np.uint8)
    hidden[4:] = (10, 20, 30, 255)

    sent = Image.open(io.BytesIO(sanitise_file(encode_image(Image.fromarray(hidden))).data))

    assert np.asarray(sent)[0, 0].tolist() == [255, 255, 255, 0]
    assert np.asarray(sent)[7, 7].tolist() == [10, 20, 30, 255]


def test_a_large_photograph_is_sent_with_little_loss_in_few_bytes() -> None:
    wave = np.linspace(0, 60, 2500)
    large = np.asarray(128 + 60 * np.sin(wave[:, None]) * np.cos(wave[None]), np.uint8)
    data = encode_image(Image.fromarray(np.dstack([large, large // 2, 255 - large])), exif=PLACE)

    sent = sanitise_file(data)

    assert sent.content_type == "image/jpeg"
    assert (sent.width, sent.height) == (2500, 2500)
    assert len(sent.data) < 5_000_000


def test_equal_pictures_give_equal_bytes() -> None:
    assert all(sanitise_file(FILES[name]) == sanitise_file(FILES[name]) for name in FILES)


def masks() -> dict[str, bytes]:
    """The same left half marked, in each way that a mask may say it."""
    left = np.zeros((30, 40), np.uint8)
    left[:, :20] = 255
    grey = Image.fromarray(left)
    see_through = Image.merge("RGBA", [grey, grey, grey, Image.fromarray(255 - left)])
    key = np.where(left > 0, 7, 200).astype(np.uint8)
    turned = Image.Exif()
    turned[0x0112] = 6
    return {
        "alpha": encode_image(see_through),
        "alpha over colours": encode_image(
            Image.merge("RGBA", [*SCENE.resize((40, 30)).split(), Image.fromarray(255 - left)])
        ),
        "grey with alpha": encode_image(Image.merge("LA", [grey, Image.fromarray(255 - left)])),
        "a transparent colour": png(np.dstack([key] * 3), RGB, chunk(b"tRNS", bytes((0, 7) * 3))),
        "light": encode_image(grey.convert("RGB")),
        "light, with alpha that hides nothing": encode_image(
            Image.merge("RGBA", [grey] * 3 + [Image.new("L", (40, 30), 255)])
        ),
        "light in grey": encode_image(grey),
        "light in one bit": encode_image(grey.convert("1")),
        "light in 16 bits": encode_image(Image.fromarray(left.astype(np.uint16) * 257)),
        "light in a palette": encode_image(grey.convert("P")),
        "light in a JPEG": encode_image(grey, "JPEG", quality=95),
        "light in a turned PNG": encode_image(grey.transpose(Image.Transpose.ROTATE_90), exif=turned.tobytes()),
        "WebP": encode_image(see_through, "WEBP", lossless=True),
    }


@pytest.mark.parametrize("kind", masks())
def test_a_mask_of_any_kind_says_the_same_to_every_provider_in_its_picture_s_measures(kind: str) -> None:
    sent = sanitise_mask(masks()[kind], width=80, height=60)

    assert isinstance(sent, EncodedPicture), sent
    opened = Image.open(io.BytesIO(sent.data))
    pixels = np.asarray(opened)
    assert (opened.format, opened.mode, opened.size) == ("PNG", "RGBA", (80, 60))
    assert pixels[30, 10, 3] < 10
    assert pixels[30, 10, :3].min() > 245
    assert pixels[30, 70, 3] > 245
    assert pixels[30, 70, :3].max() < 10


@pytest.mark.parametrize("mode", ["RGBA", "RGB", "L", "LA", "1"])
def test_a_mask_that_marks_nothing_is_refused(mode: str) -> None:
    opaque = encode_image(Image.new("RGBA", (40, 30), (0, 0, 0, 255)).convert(mode))

    refused = sanitise_mask(opaque, width=80, height=60)

    assert isinstance(refused, ImageRefused)
    assert refused.code == "empty_mask"


async def test_stills_and_masks_are_made_in_a_child() -> None:
    workers = ImageWorkers(workers=1)
    empty = encode_image(Image.new("RGB", (40, 30)))
    try:
        assert await workers.sanitise(FILES["HEIC"]) == sanitise_file(FILES["HEIC"])
        assert await workers.sanitise(masks()["light"], mask_of=(80, 60)) == sanitise_mask(
            masks()["light"], width=80, height=60
        )
        assert isinstance(await workers.sanitise(empty, mask_of=(80, 60)), ImageRefused)
        probed = [await workers.probe(mask, mask=True) for mask in (masks()["alpha"], empty)]
        assert [getattr(info, "marks", None) for info in probed] == [True, False]
    finally:
        await workers.close()

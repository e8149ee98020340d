"""Every mode, depth and profile comes out as the colours that the file describes, computed by formula."""

from collections.abc import Callable

import numpy as np
import pillow_heif
import pytest
from PIL import Image, ImageCms

from atelier_imaging.colour import to_srgb
from atelier_imaging.decoder import Photo, normalise

from .conftest import encode_image
from .support.icc_profiles import ROTATED, cmyk_profile, grey_profile, rgb_profile, srgb_level
from .support.image_files import GREY, GREY_ALPHA, PALETTE, RGB, RGB_ALPHA, chunk, png, profile_chunk

pillow_heif.register_heif_opener()

NEAR = 3
"""Levels within which colours are the same."""
GREY_GAMMA, RGB_GAMMA = 1.0, 1.8
LEVELS = np.array([0, 20, 60, 128, 200, 255], np.uint8)
GREYS = np.repeat(np.tile(LEVELS, (8, 1)), 8, axis=1)
COLOURS = np.repeat(np.repeat(np.array([[(200, 60, 20), (20, 128, 255), (0, 200, 60)]], np.uint8), 16, 0), 16, 1)
ALPHA = np.full(COLOURS.shape[:2], 128, np.uint8)
ALPHA[:, :16] = 255


def inks(c: int, m: int, y: int, k: int) -> tuple[int, int, int]:
    """Inks that are not what their names say: cyan is red, magenta is green, yellow is blue."""
    alone = {(0, 0, 0, 0): (255, 255, 255), (1, 0, 0, 0): (200, 70, 60), (0, 1, 0, 0): (70, 190, 80)}
    return alone.get((c, m, y, k), (60, 80, 190) if (c, m, y, k) == (0, 0, 1, 0) else (0, 0, 0))


PROFILES: dict[str, bytes | None] = {
    "no profile": None,
    "sRGB": ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(),
    "RGB": rgb_profile(RGB_GAMMA, ROTATED),
    "grey": grey_profile(GREY_GAMMA),
    "CMYK": cmyk_profile(inks),
    "broken": b"no profile at all",
    "cut": rgb_profile(RGB_GAMMA, ROTATED)[:300],
    "Lab": ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes(),
}
GREY_FILES: dict[str, Callable[[bytes | None], bytes]] = {
    "L": lambda profile: png(GREYS, GREY, *_profile_chunks(profile)),
    "LA": lambda profile: png(np.dstack([GREYS, GREYS * 0 + 90]), GREY_ALPHA, *_profile_chunks(profile)),
    "16-bit grey": lambda profile: png(GREYS.astype(np.uint16) * 257, GREY, *_profile_chunks(profile)),
    "16-bit grey with alpha": lambda profile: png(
        np.dstack([GREYS, GREYS * 0 + 90]).astype(np.uint16) * 257, GREY_ALPHA, *_profile_chunks(profile)
    ),
    "JPEG of grey": lambda profile: encode_image(
        Image.fromarray(GREYS), "JPEG", quality=100, icc_profile=profile or b""
    ),
}
RGB_FILES: dict[str, Callable[[bytes | None], bytes]] = {
    "RGB": lambda profile: png(COLOURS, RGB, *_profile_chunks(profile)),
    "RGBA": lambda profile: png(np.dstack([COLOURS, ALPHA]), RGB_ALPHA, *_profile_chunks(profile)),
    "16-bit RGB": lambda profile: png(COLOURS.astype(np.uint16) * 257, RGB, *_profile_chunks(profile)),
    "16-bit RGBA": lambda profile: png(
        np.dstack([COLOURS, ALPHA]).astype(np.uint16) * 257, RGB_ALPHA, *_profile_chunks(profile)
    ),
    "palette": lambda profile: _palette(profile, b""),
    "palette with alpha": lambda profile: _palette(profile, bytes((255, 128, 128))),
    "JPEG": lambda profile: encode_image(
        Image.fromarray(COLOURS), "JPEG", quality=100, subsampling=0, icc_profile=profile or b""
    ),
    "WebP": lambda profile: encode_image(Image.fromarray(COLOURS), "WEBP", lossless=True, icc_profile=profile or b""),
    "WebP with alpha": lambda profile: encode_image(
        Image.fromarray(np.dstack([COLOURS, ALPHA])), "WEBP", lossless=True, icc_profile=profile or b""
    ),
    "AVIF": lambda profile: encode_image(
        Image.fromarray(COLOURS), "AVIF", quality=100, subsampling="4:4:4", icc_profile=profile or b""
    ),
    "HEIC": lambda profile: encode_image(
        Image.fromarray(COLOURS), "HEIF", quality=100, chroma=444, icc_profile=profile or None
    ),
}


def _profile_chunks(profile: bytes | None) -> tuple[bytes, ...]:
    return () if profile is None else (profile_chunk(profile),)


def _palette(profile: bytes | None, alpha: bytes) -> bytes:
    table = chunk(b"PLTE", COLOURS[0, ::16].tobytes())
    places = np.repeat(np.arange(3, dtype=np.uint8)[None], 16, 1).repeat(16, 0)
    return png(places, PALETTE, *_profile_chunks(profile), table, *((chunk(b"tRNS", alpha),) if alpha else ()))


def straight(data: bytes) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    photo = normalise(data)
    assert isinstance(photo, Photo), photo
    return photo.straight.astype(int)


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("file", GREY_FILES)
def test_grey_is_what_a_grey_profile_makes_of_it_and_any_other_profile_is_left_out(file: str, profile: str) -> None:
    gamma = GREY_GAMMA if profile == "grey" else None
    expected = np.array([level if gamma is None else srgb_level(level, gamma) for level in GREYS[0]])

    pixels = straight(GREY_FILES[file](PROFILES[profile]))

    assert np.abs(pixels - expected[None, :, None]).max() <= NEAR


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("file", RGB_FILES)
def test_colours_are_what_an_rgb_profile_makes_of_them_and_any_other_profile_is_left_out(
    file: str, profile: str
) -> None:
    expected = COLOURS.astype(float)
    if profile == "RGB":
        seen = np.vectorize(lambda level: srgb_level(level, RGB_GAMMA))(COLOURS)
        expected = np.stack([seen[..., 2], seen[..., 0], seen[..., 1]], axis=-1)
    # Encoders with losses are off at edges; in the middle of each field they are not.
    middle = np.s_[6:10, [6, 7, 8, 22, 23, 24, 38, 39, 40]]

    pixels = straight(RGB_FILES[file](PROFILES[profile]))

    assert np.abs(pixels[middle] - expected[middle]).max() <= NEAR


@pytest.mark.parametrize("file", RGB_FILES)
def test_a_profile_that_does_not_fit_touches_no_pixel(file: str) -> None:
    without = straight(RGB_FILES[file](None))

    assert all((straight(RGB_FILES[file](PROFILES[name])) == without).all() for name in ("grey", "CMYK", "broken"))
    assert (straight(RGB_FILES[file](PROFILES["sRGB"])) == without).all()


@pytest.mark.parametrize("profile", ["no profile", "sRGB", "grey", "broken", "CMYK"])
def test_inks_are_what_their_profile_makes_of_them(profile: str) -> None:
    fields = np.array([[(0, 0, 0, 0), (255, 0, 0, 0), (0, 255, 0, 0), (0, 0, 255, 0), (0, 0, 0, 255)]], np.uint8)
    image = Image.fromarray(fields.repeat(16, 0).repeat(16, 1), mode="CMYK")
    plain = [(255, 255, 255), (0, 255, 255), (255, 0, 255), (255, 255, 0), (0, 0, 0)]
    described = [inks(*(int(ink) // 255 for ink in field)) for field in fields[0]]

    pixels = straight(encode_image(image, "JPEG", quality=100, icc_profile=PROFILES[profile] or b""))

    expected = np.array(described if profile == "CMYK" else plain)
    assert np.abs(pixels[8, 8::16] - expected).max() <= NEAR


@pytest.mark.parametrize("mode", ["1", "L", "LA", "La", "I;16", "I", "F", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX"])
@pytest.mark.parametrize("profile", PROFILES)
def test_no_mode_of_the_decoder_is_unknown_and_black_stays_black_and_white_white(mode: str, profile: str) -> None:
    halves = np.repeat(np.array([[0, 255]], np.uint8), 8, 0).repeat(8, 1)
    image = Image.fromarray(halves)
    if mode.startswith("I"):
        deep = Image.fromarray(halves.astype(np.uint16) * 257)
        image = deep if mode == "I;16" else deep.convert("I")
    elif mode == "F":
        image = Image.fromarray(halves.astype(np.float32))
    else:
        by_way_of = {"La": "LA", "RGBa": "RGBA", "PA": "P", "RGBX": "RGB"}.get(mode, mode)
        image = image.convert(by_way_of).convert(mode)

    made, _ = to_srgb(image, PROFILES[profile])

    pixels = np.asarray(made)[..., :3]
    assert made.mode in ("RGB", "RGBA")
    assert pixels[:, 0].max() <= NEAR
    assert pixels[:, -1].min() >= 255 - NEAR


@pytest.mark.parametrize("mode", ["1", "L", "LA", "I;16", "P", "RGB", "RGBA"])
def test_a_picture_of_one_pixel_is_a_picture(mode: str) -> None:
    one = Image.new("I;16", (1, 1)) if mode == "I;16" else Image.new("RGBA", (1, 1)).convert(mode)

    photo = normalise(encode_image(one))

    assert isinstance(photo, Photo)
    assert photo.rgb.shape == (1, 1, 3)


@pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
def test_the_grey_that_a_file_declares_transparent_is_so_in_every_depth(depth: int) -> None:
    lightest = 2**depth - 1
    levels = np.tile(np.array([0, lightest], np.uint16 if depth == 16 else np.uint8), (4, 4))

    photo = normalise(png(levels, GREY, chunk(b"tRNS", lightest.to_bytes(2, "big")), depth=depth))

    assert isinstance(photo, Photo)
    assert photo.alpha is not None
    assert photo.alpha.tolist()[0] == [255, 0] * 4


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_the_colour_that_a_file_declares_transparent_is_so_in_every_depth(dtype: "type[np.uint8 | np.uint16]") -> None:
    scale = 257 if dtype is np.uint16 else 1
    pixels = np.tile(np.array([[(10, 20, 30), (200, 20, 30)]], dtype) * scale, (4, 4, 1)).astype(dtype)
    key = b"".join(int(value * scale).to_bytes(2, "big") for value in (200, 20, 30))

    photo = normalise(png(pixels, RGB, chunk(b"tRNS", key)))

    assert isinstance(photo, Photo)
    assert photo.alpha is not None
    assert photo.alpha.tolist()[0] == [255, 0] * 4


@pytest.mark.parametrize("hidden", [(255, 0, 255), (0, 0, 0)])
@pytest.mark.parametrize("format_", ["PNG", "WEBP", "AVIF", "HEIF", "GIF"])
def test_the_colour_under_full_transparency_is_never_seen(format_: str, hidden: tuple[int, int, int]) -> None:
    logo = np.full((32, 32, 4), (*hidden, 0), np.uint8)
    logo[8:24, 8:24] = (200, 30, 30, 255)
    options = {"lossless": True, "exact": True} if format_ == "WEBP" else {}

    photo = normalise(encode_image(Image.fromarray(logo), format_, **options))

    assert isinstance(photo, Photo)
    assert photo.info.has_alpha
    assert (photo.rgb[0, 0] == 255).all()
    assert (photo.straight[0, 0] == 255).all()
    assert np.abs(photo.rgb[16, 16].astype(int) - (200, 30, 30)).max() <= 8

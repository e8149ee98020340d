"""The only door for untrusted pictures: whatever comes through is one still photograph, upright, in sRGB.

Formats are told from the bytes, never from a name or a header, and size is judged before a pixel is decoded.
"""

import io
import struct
import warnings
import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageOps

from .pictures import PIXELS_MAX, ImageFormat, ImageRefused, PhotoInfo, refused_by_size
from .whole import is_whole

# What Pillow's decoders raise on hostile bytes; anything else is a bug of ours and must end the child loudly.
_BROKEN = (OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, TypeError, struct.error, zlib.error)
_SRGB = ImageCms.createProfile("sRGB")


@dataclass(frozen=True, slots=True)
class Photo:
    """Pixels ready to work on: rgb is (height, width, 3) and alpha (height, width), both uint8."""

    rgb: NDArray[np.uint8]
    alpha: NDArray[np.uint8] | None
    info: PhotoInfo


def normalise(data: bytes, *, side_max_px: int | None = None) -> Photo | ImageRefused:
    """Decode one PNG, JPEG or WEBP of at most 25 MB and 50 megapixels; every other input is refused, none raises.

    With `side_max_px` the pixels kept are reduced to that long side; `info` tells the size of what came.
    """
    if refused := refused_by_size(data):
        return refused
    format_ = _format_of(data)
    if format_ is None:
        return ImageRefused("unsupported_format", "The file is not a PNG, JPEG or WEBP image.")
    if not is_whole(data, format_):
        return ImageRefused("broken", f"The {format_.upper()} image is truncated.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns about what is refused or repaired below
            return _decode(data, format_, side_max_px)
    except Image.DecompressionBombError:
        return _too_many_pixels()
    except _BROKEN as error:
        return ImageRefused("broken", f"The {format_.upper()} image cannot be decoded: {error}.")


def _format_of(data: bytes) -> ImageFormat | None:
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if data.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    return None


def _decode(data: bytes, format_: ImageFormat, side_max_px: int | None) -> Photo | ImageRefused:
    with Image.open(io.BytesIO(data), formats=[format_]) as image:
        if image.width * image.height > PIXELS_MAX:
            return _too_many_pixels()
        # Phones write JPEGs with a second picture inside (MPO); its first one is an ordinary still.
        if getattr(image, "is_animated", False) and image.format != "MPO":
            return ImageRefused("animated", "The image is animated; send a still image.")
        image.load()
        ImageOps.exif_transpose(image, in_place=True)
        upright = _in_srgb(image)
    info = PhotoInfo(format_, upright.width, upright.height, upright.mode == "RGBA")
    if side_max_px is not None:
        upright.thumbnail((side_max_px, side_max_px), Image.Resampling.LANCZOS)
    return _photo(upright, info)


def _too_many_pixels() -> ImageRefused:
    return ImageRefused("too_many_pixels", f"The image is larger than {PIXELS_MAX // 1_000_000} megapixels.")


def _in_srgb(image: Image.Image) -> Image.Image:
    """RGB or RGBA in sRGB; a profile that cannot be used is left out, as viewers do."""
    alpha = image.convert("RGBA").getchannel("A") if image.has_transparency_data else None
    profile = image.info.get("icc_profile")
    rgb = _through_profile(image, profile) if profile else None
    if rgb is None:
        rgb = _eight_bit(image).convert("RGB")
    if alpha is not None:
        rgb.putalpha(alpha)
    return rgb


def _through_profile(image: Image.Image, profile: bytes) -> Image.Image | None:
    source = image if image.mode in ("RGB", "L", "CMYK") else image.convert("RGB")
    try:
        return ImageCms.profileToProfile(source, io.BytesIO(profile), _SRGB, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError):
        return None


def _eight_bit(image: Image.Image) -> Image.Image:
    """16-bit grey as 8-bit grey: Pillow's own conversion would clip instead of scale."""
    if not image.mode.startswith("I"):
        return image
    return Image.fromarray((np.asarray(image).astype(np.uint32) >> 8).clip(0, 255).astype(np.uint8))


def _photo(image: Image.Image, info: PhotoInfo) -> Photo:
    pixels = np.asarray(image)
    return Photo(np.ascontiguousarray(pixels[..., :3]), pixels[..., 3].copy() if info.has_alpha else None, info)

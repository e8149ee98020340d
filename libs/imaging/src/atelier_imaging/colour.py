"""Brings whatever a decoder makes of a file into 8-bit sRGB with straight alpha: depth first, then the profile.

A profile counts where it describes pixels of the picture's own kind; any other is left out, as viewers do, and touches
nothing.
"""

import io
from typing import Literal

import numpy as np
from PIL import Image, ImageCms

Model = Literal["GRAY", "RGB", "CMYK"]
"""As ICC profiles call what they describe."""

_SRGB = ImageCms.createProfile("sRGB")
_STRAIGHT = {"La": "LA", "RGBa": "RGBA"}
"""From modes in which colours are multiplied by their alpha."""
_GREY_MODES = ("1", "L", "LA", "I", "F", "I;16", "I;16L", "I;16B", "I;16N")
_NOT_A_PROFILE = (ImageCms.PyCMSError, OSError, ValueError, TypeError)
_SAME = 1
"""Levels within which a profile's colours are sRGB's."""


def to_srgb(image: Image.Image, profile: bytes | None, *, grey: bool = False) -> tuple[Image.Image, bool]:
    """A decoded picture of any mode as RGB or RGBA in sRGB, and whether the profile made other colours of it.

    With ``grey`` its three channels are one.
    """
    if image.mode in _STRAIGHT:
        image = image.convert(_STRAIGHT[image.mode])
    alpha = _alpha(image)
    colour, model = _opaque(image, grey=grey)
    converted = _through_profile(colour, model, profile) if profile else None
    rgb = _eight_bit(colour).convert("RGB") if converted is None else converted
    if alpha is not None:
        rgb.putalpha(alpha)
    return rgb, converted is not None


def _alpha(image: Image.Image) -> Image.Image | None:
    """Opacity as a plane of 8 bits; None where everything is opaque by the file's own words."""
    if not image.has_transparency_data:
        return None
    if image.mode.startswith("I"):
        hidden = np.asarray(image) == image.info["transparency"]
        return Image.fromarray(np.where(hidden, 0, 255).astype(np.uint8))
    return image.convert("RGBA").getchannel("A")


def _opaque(image: Image.Image, *, grey: bool) -> tuple[Image.Image, Model]:
    """The colours alone, and what a profile has to describe to fit them. Grey of 16 bits stays so for the profile."""
    if image.mode == "CMYK":
        return image, "CMYK"
    if image.mode in _GREY_MODES:
        if image.mode == "I;16":
            return image, "GRAY"
        return (_eight_bit(image) if image.mode[0] in "IF" else image.convert("L")), "GRAY"
    if grey and image.mode in ("RGB", "RGBA"):
        return image.getchannel("R"), "GRAY"
    return image.convert("RGB"), "RGB"


def _eight_bit(image: Image.Image) -> Image.Image:
    """Pillow's own conversion of deeper grey would clip instead of scale."""
    if image.mode == "F":
        return Image.fromarray(np.asarray(image).clip(0, 255).round().astype(np.uint8))
    if not image.mode.startswith("I"):
        return image
    levels = np.asarray(image).astype(np.int64)
    return Image.fromarray(((levels + 128) // 257).clip(0, 255).astype(np.uint8))


def _through_profile(image: Image.Image, model: Model, profile: bytes) -> Image.Image | None:
    """None where the profile cannot be read, describes other pixels, or changes nothing."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if source.profile.xcolor_space.strip() != model:
            return None
        transform = ImageCms.buildTransform(source, _SRGB, image.mode, "RGB")
        if model == "RGB" and _is_identity(transform):
            return None
        return ImageCms.applyTransform(image, transform)
    except _NOT_A_PROFILE:
        return None


def _is_identity(transform: ImageCms.ImageCmsTransform) -> bool:
    """Most profiles are sRGB's own: then every pixel stays as it is."""
    steps = np.linspace(0, 255, 9).astype(np.uint8)
    grid = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(-1, 27, 3)
    seen = np.asarray(ImageCms.applyTransform(Image.fromarray(grid), transform))
    return bool(np.abs(seen.astype(int) - grid).max() <= _SAME)

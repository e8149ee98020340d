"""The one file that may leave for a provider: a still, upright, in sRGB, without a word beside its pixels."""

import hashlib
import io

import numpy as np
from PIL import Image

from atelier_imaging.decoder import decode, normalise
from atelier_imaging.mask import is_marked, plane_like
from atelier_imaging.pictures import (
    BYTES_MAX,
    CONTENT_TYPES,
    EncodedPicture,
    ImageFormat,
    ImageRefused,
    SourceFormat,
    empty_mask_refusal,
)

LOSSLESS_PIXELS_MAX: dict[SourceFormat, int] = {"png": 4_000_000, "gif": 4_000_000}
"""Up to this size a picture stays lossless, by what came; larger ones would take more bytes than providers accept."""
LOSSLESS_PIXELS_MAX_ELSE = 1_000_000
"""Of formats that lose something anyway."""
_PNG = {"compress_level": 6}
_LARGE_PNG = {"compress_level": 2}
"""Of a picture of 50 megapixels the best compression would take most of the time that a job is given."""
_JPEG_QUALITIES = (95, 90, 80)


def sanitise(data: bytes) -> EncodedPicture | ImageRefused:
    """The picture as it is looked at: PNG where it is transparent or small, else JPEG.

    A JPEG in need of no change keeps its pixels. One with transparency whose PNG would be over 25 MB is halved until it
    is not.
    """
    decoded = decode(data)
    if isinstance(decoded, ImageRefused):
        return decoded
    image = decoded.image
    if decoded.unchanged is not None:
        return _to_encoded_picture(decoded.unchanged, "jpeg", image.size)
    if image.mode == "RGBA":
        return _transparent(image)
    if image.width * image.height <= LOSSLESS_PIXELS_MAX.get(decoded.source, LOSSLESS_PIXELS_MAX_ELSE):
        return _encode(image, "png", **_PNG)
    return _opaque(image)


def sanitise_mask(data: bytes, *, width: int, height: int) -> EncodedPicture | ImageRefused:
    """A mask in its picture's measures: transparent, and white, where it marks something, else opaque black.

    So it says the same to those who read transparency and to those who read light. One that marks nothing is refused.
    """
    photo = normalise(data)
    if isinstance(photo, ImageRefused):
        return photo
    plane = plane_like(photo, width, height)
    if not is_marked(plane).any():
        return empty_mask_refusal()
    return _encode(Image.fromarray(np.dstack([plane, plane, plane, 255 - plane])), "png", **_PNG)


def _transparent(image: Image.Image) -> EncodedPicture:
    while True:
        large = image.width * image.height > LOSSLESS_PIXELS_MAX["png"]
        encoded = _encode(_without_hidden(image), "png", **(_LARGE_PNG if large else _PNG))
        if len(encoded.data) <= BYTES_MAX:
            return encoded
        image = image.reduce(2)


def _without_hidden(image: Image.Image) -> Image.Image:
    """White under full transparency: hidden colours do not leave this system."""
    pixels = np.array(image)
    pixels[pixels[..., 3] == 0, :3] = 255
    return Image.fromarray(pixels)


def _opaque(image: Image.Image) -> EncodedPicture:
    for quality in _JPEG_QUALITIES:
        encoded = _encode(image, "jpeg", quality=quality, subsampling=0)
        if len(encoded.data) <= BYTES_MAX:
            break
    return encoded


def _encode(image: Image.Image, image_format: ImageFormat, **options: int) -> EncodedPicture:
    image.info.clear()  # no metadata is written
    out = io.BytesIO()
    image.save(out, image_format.upper(), **options)
    return _to_encoded_picture(out.getvalue(), image_format, image.size)


def _to_encoded_picture(data: bytes, image_format: ImageFormat, size: tuple[int, int]) -> EncodedPicture:
    return EncodedPicture(data, CONTENT_TYPES[image_format], *size, hashlib.sha256(data).hexdigest())

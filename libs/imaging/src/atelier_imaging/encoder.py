"""Turns finished pixels into a file: bounded in size, without metadata, the same bytes for the same pixels."""

import hashlib
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from atelier_imaging.pictures import CONTENT_TYPES, EncodedPicture, ImageFormat

LONG_SIDE_MAX = 1536

_OPTIONS: dict[ImageFormat, dict[str, int | bool]] = {
    "png": {"compress_level": 6},
    "jpeg": {"quality": 90, "subsampling": 0},
    "webp": {"quality": 90, "method": 4},
}


def encode(
    pixels: NDArray[np.uint8],
    image_format: ImageFormat,
    *,
    long_side_max: int = LONG_SIDE_MAX,
    compression: int | None = None,
) -> EncodedPicture:
    """Encode (height, width, 3) sRGB pixels, or 4 with alpha, reduced so that neither side is longer than
    ``long_side_max`` pixels. ``compression`` is the quality of a JPEG or a WebP, 0 to 100."""
    # An image made from an array carries no EXIF, profile or text, so none can be written.
    picture = Image.fromarray(pixels)
    picture.thumbnail((long_side_max, long_side_max), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    options = _OPTIONS[image_format]
    if compression is not None and image_format != "png":
        options = options | {"quality": compression}
    picture.save(out, image_format.upper(), **options)
    data = out.getvalue()
    return EncodedPicture(
        data, CONTENT_TYPES[image_format], picture.width, picture.height, hashlib.sha256(data).hexdigest()
    )

"""Brings a finished picture into the requested size and format: cropped about the middle, never distorted.
Its mark of how it was made stays on it."""

import numpy as np
from PIL import Image, ImageOps

from atelier_imaging.decoder import normalise
from atelier_imaging.encoder import encode
from atelier_imaging.pictures import CompositionSpec, EncodedPicture, ImageRefused
from atelier_imaging.xmp import source_type_in


def fit_image(spec: CompositionSpec, data: bytes) -> EncodedPicture | ImageRefused:
    """The picture at the spec's width and height; zeros keep its own. One that cannot be decoded is refused."""
    photo = normalise(data)
    if isinstance(photo, ImageRefused):
        return photo
    pixels = photo.rgb
    if spec.transparent and photo.alpha is not None:
        pixels = np.dstack([photo.straight, photo.alpha])
    picture = Image.fromarray(pixels)
    size = (spec.width or picture.width, spec.height or picture.height)
    cut = picture if size == picture.size else ImageOps.fit(picture, size, Image.Resampling.LANCZOS)
    return encode(
        np.asarray(cut),
        spec.image_format,
        long_side_max=max(size),
        compression=spec.compression,
        source_type=source_type_in(data),
    )

"""Brings a finished picture into the size and format that were asked for: cut in the middle, never distorted."""

import numpy as np
from PIL import Image, ImageOps

from .decode import Photo, normalise
from .encode import encode
from .pictures import EncodedPicture, ImageRefused, Order

PAPER = (255, 255, 255)
"""What shows through where a picture is transparent, and the format or the next step knows no transparency."""


def fitted(order: Order, data: bytes) -> EncodedPicture | ImageRefused:
    """The picture at the order's width and height; zeros leave its own. One that cannot be decoded is refused."""
    photo = normalise(data)
    if isinstance(photo, ImageRefused):
        return photo
    picture = _on_paper(photo)
    size = (order.width or picture.width, order.height or picture.height)
    cut = picture if size == picture.size else ImageOps.fit(picture, size, Image.Resampling.LANCZOS)
    return encode(np.asarray(cut), order.image_format, long_side_max=max(size))


def _on_paper(photo: Photo) -> Image.Image:
    picture = Image.fromarray(photo.rgb)
    if photo.alpha is None:
        return picture
    paper = Image.new("RGB", picture.size, PAPER)
    paper.paste(picture, mask=Image.fromarray(photo.alpha))
    return paper

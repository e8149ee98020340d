"""Inspects a delivered picture that its customer disputes: whether it shows anything, and a digest by which it is
compared with the pictures that it was made of."""

from hashlib import sha256

from atelier_imaging.decoder import normalise
from atelier_imaging.pictures import ImageRefused, Inspection


def inspect(data: bytes) -> Inspection | ImageRefused:
    """The whole picture is decoded; what cannot be is refused with the reason. The same bytes, the same answer."""
    photo = normalise(data)
    if isinstance(photo, ImageRefused):
        return photo
    rgb, info = photo.rgb, photo.info
    colours = rgb.reshape(-1, rgb.shape[2])
    spread = int((colours.max(axis=0) - colours.min(axis=0)).max())
    digest = sha256(f"{info.width}x{info.height}\n".encode() + rgb.tobytes()).hexdigest()
    return Inspection(info.format, info.width, info.height, spread, digest)

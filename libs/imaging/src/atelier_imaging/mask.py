"""What a mask marks for repainting: what is transparent; in a mask without transparency, what is light."""

import cv2
import numpy as np

from atelier_imaging.decoder import Photo
from atelier_imaging.geometry import Pixels, Region

HALF = 127
"""Levels above which a place is marked."""


def plane_of(mask: Photo) -> Pixels:
    """How much each place is marked, 0 to 255, in the mask's own size."""
    if mask.alpha is not None and (mask.alpha < 255).any():
        return np.asarray(255 - mask.alpha, np.uint8)
    return np.asarray(cv2.cvtColor(mask.rgb, cv2.COLOR_RGB2GRAY), np.uint8)


def plane_like(mask: Photo, width: int, height: int) -> Pixels:
    """The same in the size of the picture that it is for; edges stay hard."""
    plane = plane_of(mask)
    if plane.shape == (height, width):
        return plane
    return np.asarray(cv2.resize(plane, (width, height), interpolation=cv2.INTER_NEAREST), np.uint8)


def is_marked(plane: Pixels) -> Region:
    """The pixels that are marked for repainting."""
    return np.asarray(plane > HALF)


def marks_something(mask: Photo) -> bool:
    """Whether an edit by this mask changes anything."""
    return bool(is_marked(plane_of(mask)).any())

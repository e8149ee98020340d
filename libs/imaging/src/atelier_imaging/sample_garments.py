"""Drawn garments on plain ground for pictures of the documentation and for comparisons: five cuts, five cloths."""

import cv2
import numpy as np

from atelier_imaging.decoder import Photo
from atelier_imaging.geometry import Pixels, Plane
from atelier_imaging.pictures import PhotoInfo

GROUND = (238, 237, 233)
Half = tuple[tuple[float, float], ...]
TEE: Half = ((0.13, 0.10), (0.21, 0.05), (0.42, 0.08), (0.62, 0.16), (0.94, 0.40), (0.73, 0.51), (0.57, 0.40),
             (0.575, 0.95), (0, 0.965))  # fmt: skip
LONG: Half = ((0.10, 0.08), (0.17, 0.04), (0.34, 0.07), (0.46, 0.13), (0.86, 0.72), (0.70, 0.79), (0.42, 0.42),
              (0.43, 0.95), (0, 0.965))  # fmt: skip
DRESS: Half = ((0.16, 0.09), (0.28, 0.03), (0.42, 0.05), (0.40, 0.16), (0.45, 0.24), (0.38, 0.42), (0.80, 0.96),
               (0, 0.98))  # fmt: skip
TROUSERS: Half = ((0, 0.03), (0.42, 0.03), (0.50, 0.22), (0.47, 0.97), (0.14, 0.97), (0.05, 0.34), (0, 0.32))


def sample_garment(name: str) -> Photo:
    """``striped``, ``plain``, ``checked``, ``dress`` or ``trousers``; the same pixels each time."""
    half, size, cloth = {
        "striped": (TEE, (960, 900), _stripes),
        "plain": (TEE, (960, 900), _plain),
        "checked": (LONG, (960, 1000), _checks),
        "dress": (DRESS, (1300, 800), _dots),
        "trousers": (TROUSERS, (1200, 700), _denim),
    }[name]
    height, width = size
    right = [((1 + x) * width / 2, y * height) for x, y in half]
    outline = np.array([*right, *((width - x, y) for x, y in reversed(right))], np.int32)
    mask = np.zeros(size, np.float32)
    cv2.fillPoly(mask, [outline], 1.0)
    mask = np.clip((cv2.GaussianBlur(mask, (0, 0), 6) - 0.5) * 6 + 0.5, 0, 1)[..., None]
    lying = np.array(GROUND) * (1 - mask) + cloth(size) * mask
    return Photo(np.asarray(lying, np.uint8), None, PhotoInfo("png", width, height, has_alpha=False))


def _weave(size: tuple[int, int]) -> Plane:
    noise = np.random.Generator(np.random.PCG64(5)).normal(0, 1, size).astype(np.float32)
    return np.asarray(cv2.GaussianBlur(noise, (0, 0), 1.2)[..., None], np.float32)


def _dyed(size: tuple[int, int], colour: tuple[int, int, int]) -> Plane:
    return np.asarray(np.array(colour, np.float32) + 6 * _weave(size), np.float32)


def _plain(size: tuple[int, int]) -> Pixels:
    return _pixels(_dyed(size, (176, 44, 52)))


def _stripes(size: tuple[int, int]) -> Pixels:
    light = (np.arange(size[0]) // 34 % 2 == 0)[:, None, None]
    return _pixels(np.where(light, _dyed(size, (232, 229, 218)), _dyed(size, (38, 62, 118))))


def _checks(size: tuple[int, int]) -> Pixels:
    rows, columns = (np.arange(side) // 44 % 2 for side in size)
    share = (rows[:, None] + columns[None, :])[..., None] / 2
    mixed = _dyed(size, (196, 150, 84)) * (1 - share) + _dyed(size, (52, 92, 66)) * share
    return _pixels(np.asarray(mixed, np.float32))


def _dots(size: tuple[int, int]) -> Pixels:
    rows, columns = np.mgrid[0 : size[0], 0 : size[1]]
    inside = np.hypot(rows % 56 - 28, (columns + rows // 56 % 2 * 28) % 56 - 28) < 11
    return _pixels(np.where(inside[..., None], _dyed(size, (240, 232, 214)), _dyed(size, (32, 116, 108))))


def _denim(size: tuple[int, int]) -> Pixels:
    return _pixels(_dyed(size, (96, 122, 160)))


def _pixels(plane: Plane) -> Pixels:
    return np.asarray(np.clip(plane, 0, 255), np.uint8)

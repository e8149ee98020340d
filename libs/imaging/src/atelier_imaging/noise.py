"""Seeded randomness for drawn pictures: a generator seeded by the whole request, and fractal noise."""

import hashlib

import cv2
import numpy as np

from atelier_imaging.geometry import Plane

CELL_MIN_PX = 2.0
DRAWING_VERSION = 2
"""Raised when drawn pictures look otherwise for the same request."""

Rng = np.random.Generator


def generator(*parts: object) -> Rng:
    """A generator seeded by all its arguments."""
    digest = hashlib.sha256(repr((DRAWING_VERSION, *parts)).encode()).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest[:16], "big")))


def fractal(
    rng: Rng, shape: tuple[int, int], cell_px: float, *, octaves: int = 4, stretch: tuple[float, float] = (1.0, 1.0)
) -> Plane:
    """Cloudy noise 0..1, its largest blobs ``cell_px`` wide; ``stretch`` (down, across) draws them out."""
    total, weight, reach = np.zeros(shape, np.float32), 1.0, cell_px
    for _ in range(octaves):
        rows, columns = (
            max(2, int(side / max(CELL_MIN_PX, reach * pull)) + 2) for side, pull in zip(shape, stretch, strict=True)
        )
        grid = rng.random((min(rows, shape[0] + 2), min(columns, shape[1] + 2)), dtype=np.float32)
        total += weight * cv2.resize(grid, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC)
        weight, reach = weight / 2, reach / 2
    low, high = float(total.min()), float(total.max())
    return np.asarray((total - low) / max(high - low, 1e-6), np.float32)


def skyline(rng: Rng, width: int, cell_px: float, *, octaves: int = 5) -> Plane:
    """A rugged line, one height 0..1 a column."""
    return np.asarray(fractal(rng, (2, width), cell_px, octaves=octaves, stretch=(1e6, 1.0))[0], np.float32)

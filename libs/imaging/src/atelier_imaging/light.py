"""Light and shadow between a garment and the photograph it is put into, as factors about 1."""

import cv2
import numpy as np

from atelier_imaging.geometry import Pixels, Plane, blur


def light_on(canvas: Pixels, seen: Plane, face_width: float) -> Plane:
    """How bright the covered part of the person is from place to place, without its prints and badges."""
    lightness = cv2.cvtColor(canvas, cv2.COLOR_RGB2LAB)[..., 0].astype(np.float32) + 8
    # Averages weighted by the garment's area: a bright wall beside the body must not light the cloth.
    weight = seen + 1e-3
    fine, broad = 0.1 * face_width, 0.8 * face_width
    near = _spread(lightness * weight, fine) / _spread(weight, fine)
    far = _spread(lightness * weight, broad) / _spread(weight, broad)
    return np.asarray(np.clip((near / far) ** 0.5, 0.86, 1.1), np.float32)


def folds(shape: tuple[int, ...], seed: int) -> Plane:
    """Faint creases that fall from the shoulders, others for each seed."""
    grid = np.random.Generator(np.random.PCG64(seed)).normal(size=(6, 14)).astype(np.float32)
    creases = cv2.resize(grid, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC)
    return np.asarray(1 + 0.035 * np.clip(creases, -2, 2), np.float32)


def contact_shadow(seen: Plane, face_width: float) -> Plane:
    """Darkness that the garment's edge throws on neck, arms and hips."""
    drop = np.array([[1, 0, 0], [0, 1, 0.05 * face_width]], np.float32)
    moved = cv2.warpAffine(seen, drop, (seen.shape[1], seen.shape[0]))
    return np.asarray(1 - 0.45 * blur(np.asarray(moved, np.float32), 0.07 * face_width), np.float32)


def _spread(plane: Plane, sigma_px: float) -> Plane:
    """A wide blur done on a quarter of the sides: sixteen times less work and nothing to see of it."""
    height, width = plane.shape
    small = cv2.resize(plane, (max(1, width // 4), max(1, height // 4)), interpolation=cv2.INTER_AREA)
    wide = blur(np.asarray(small, np.float32), sigma_px / 4)
    return np.asarray(cv2.resize(wide, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)

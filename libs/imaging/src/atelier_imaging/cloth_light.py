"""Folds and shade of the clothes in a photograph, as factors for the cloth that takes their place."""

import cv2
import numpy as np

from atelier_imaging.body_parts import BodyParts
from atelier_imaging.geometry import Pixels, Plane, blur
from atelier_imaging.light import folds

FINE, BROAD = 0.035, 0.9
"""Widths of the blurs between which folds lie, in half distances of the shoulders."""
STRONGEST = 0.34
"""Of the logarithm of light: deeper folds are drawn flatter."""


def cloth_light(rgb: Pixels, opacity: Plane, parts: BodyParts, unit_px: float, fold_seed: int) -> Plane:
    """1 on average over the garment; what is printed on the old clothes is left out by its colour."""
    lab = np.asarray(cv2.cvtColor(np.asarray(rgb, np.float32) / 255, cv2.COLOR_RGB2LAB), np.float32)
    clothes = np.asarray(parts.clothes * opacity, np.float32)
    weight = clothes * _one_cloth(lab, clothes)
    if weight.sum() < 0.1 * max(float(opacity.sum()), 1.0):
        return np.asarray(folds(opacity.shape, fold_seed) * _roundness(opacity, parts, unit_px), np.float32)
    lightness = np.asarray(np.log(lab[..., 0] + 9), np.float32)
    near, far = _mean(lightness, weight, FINE * unit_px), _mean(lightness, weight, BROAD * unit_px)
    known = np.clip(_spread(weight, FINE * unit_px) / 0.5, 0, 1)
    detail = (near - far) * known
    strength = float(np.sqrt((weight * detail**2).sum() / weight.sum()))
    detail = np.tanh(detail * min(1.0, 0.11 / max(strength, 1e-3)) / STRONGEST) * STRONGEST
    seen = far - float((far * opacity).sum() / max(float(opacity.sum()), 1e-3))
    shade = np.exp(detail + np.clip(0.5 * seen, -0.16, 0.1) * known)
    few = 1 - min(strength / 0.05, 1.0)
    creases = 1 + (folds(opacity.shape, fold_seed) - 1) * (0.35 + 0.65 * few)
    light = np.asarray(shade * creases * _roundness(opacity, parts, unit_px), np.float32)
    return light / max(float((light * opacity).sum() / max(float(opacity.sum()), 1e-3)), 1e-3)


def shadow_of(opacity: Plane, parts: BodyParts, unit_px: float) -> Plane:
    """Darkness that the garment's edge throws on the person below it; the head and what is behind stay as they are."""
    drop = np.array([[1, 0, 0], [0, 1, 0.04 * unit_px]], np.float32)
    moved = np.asarray(cv2.warpAffine(opacity, drop, (opacity.shape[1], opacity.shape[0])), np.float32)
    thrown = blur(moved, 0.04 * unit_px) * parts.person * (1 - parts.head) * (1 - parts.hair)
    near = np.asarray(
        cv2.dilate(opacity, np.ones((3, 3), np.uint8), iterations=max(1, int(0.05 * unit_px / 2))), np.float32
    )
    return np.asarray(1 - 0.3 * np.where(near > 0.02, thrown, 0), np.float32)


def _one_cloth(lab: Plane, clothes: Plane) -> Plane:
    """1 where the old cloth has the colour it mostly has about there."""
    sure = clothes > 0.5
    if not sure.any():
        return np.zeros(clothes.shape, np.float32)
    off = np.linalg.norm((lab - np.median(lab[sure], axis=0)) * (0.6, 1, 1), axis=2)
    return np.asarray(np.clip((24 - off) / 8, 0, 1), np.float32)


def _roundness(opacity: Plane, parts: BodyParts, unit_px: float) -> Plane:
    """A body turns away from the light towards its edges."""
    inside = np.asarray(cv2.distanceTransform((parts.person > 0.5).astype(np.uint8), cv2.DIST_L2, 5), np.float32)
    edge = 1 - 0.2 * np.exp(-inside / (0.16 * unit_px))
    before = blur(np.asarray(np.clip(parts.hair + parts.skin - opacity, 0, 1), np.float32), 0.05 * unit_px)
    return np.asarray(edge * (1 - 0.22 * before), np.float32)


def _mean(plane: Plane, weight: Plane, sigma_px: float) -> Plane:
    return np.asarray(_spread(plane * weight, sigma_px) / (_spread(weight, sigma_px) + 1e-4), np.float32)


def _spread(plane: Plane, sigma_px: float) -> Plane:
    """A blur, wide ones on fewer pixels."""
    by = 4 if sigma_px > 12 else 1
    height, width = plane.shape
    if by == 1:
        return blur(np.asarray(plane, np.float32), sigma_px)
    small = cv2.resize(plane, (max(1, width // by), max(1, height // by)), interpolation=cv2.INTER_AREA)
    wide = blur(np.asarray(small, np.float32), sigma_px / by)
    return np.asarray(cv2.resize(wide, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)

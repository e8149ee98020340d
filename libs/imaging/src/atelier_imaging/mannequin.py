"""A drawn figure to wear what has no person in its photographs: limbs modelled as round bodies under one lamp.

All measures are in heights of the head, x from the figure's axis, y down from the crown.
"""

from dataclasses import dataclass
from math import radians

import cv2
import numpy as np

from atelier_contracts.catalogue import Mannequin
from atelier_imaging.body import NECK, SHOULDER, Body
from atelier_imaging.face import FACE_OF_HEAD
from atelier_imaging.geometry import Pixels, Plane, blur

HEADS = 7.5
ARM_RAD = radians(80)
TEE, TROUSERS, SHOES = (214, 213, 210), (74, 78, 90), (46, 46, 50)
Points = tuple[tuple[float, float], ...]
# The right half of each part.
TORSO: Points = (
    (0, 1.12), (0.18, 1.14), (0.3, 1.27), (0.56, 1.36), (0.74, 1.47), (0.82, 1.66), (0.72, 1.9), (0.62, 2.1),
    (0.56, 2.45), (0.5, 2.8), (0.53, 3.1), (0.6, 3.45), (0.63, 3.8), (0.6, 4.0), (0, 4.02),
)  # fmt: skip
LEG: Points = (
    (0.63, 3.7), (0.61, 4.2), (0.52, 4.9), (0.43, 5.45), (0.42, 5.75), (0.43, 6.1), (0.36, 6.6), (0.29, 7.05),
    (0.1, 7.05), (0.09, 6.6), (0.06, 6.0), (0.1, 5.5), (0.05, 4.8), (0.02, 4.0), (0.02, 3.7),
)  # fmt: skip
SHOE: Points = ((0.1, 6.98), (0.3, 6.98), (0.37, 7.2), (0.43, 7.4), (0.36, 7.48), (0.14, 7.48), (0.08, 7.35))
ARM: Points = (
    (0.6, 1.5), (0.74, 1.46), (0.86, 1.58), (0.93, 1.95), (1.0, 2.4), (1.07, 2.8), (1.12, 3.2), (1.15, 3.62),
    (1.03, 3.64), (0.95, 3.25), (0.88, 2.85), (0.78, 2.45), (0.7, 2.05), (0.62, 1.8),
)  # fmt: skip
HAND: Points = ((1.03, 3.6), (1.15, 3.58), (1.2, 3.8), (1.18, 4.05), (1.1, 4.2), (1.03, 4.12), (1.01, 3.85))
NECK_HALF: Points = ((0, 0.75), (0.21, 0.75), (0.21, 1.1), (0.3, 1.26), (0.0, 1.42))
HEAD: Points = (
    (0, 0.0), (0.16, 0.02), (0.29, 0.12), (0.355, 0.28), (0.36, 0.46), (0.325, 0.66), (0.25, 0.84),
    (0.14, 0.95), (0, 0.98),
)  # fmt: skip
HAIR: Points = (
    (0, -0.05), (0.2, -0.02), (0.34, 0.1), (0.405, 0.28), (0.4, 0.5), (0.34, 0.52), (0.32, 0.34),
    (0.22, 0.24), (0, 0.21),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Figure:
    """The figure on a canvas: the picture, its silhouette (0..1), where garments hang, and the row of its soles."""

    canvas: Pixels
    silhouette: Plane
    body: Body
    sole_y: float


def draw_mannequin(
    canvas: Pixels, who: Mannequin, *, head_px: float, axis_x: float, sole_y: float, dressed: tuple[bool, bool]
) -> Figure:
    """The mannequin on the canvas, with plain clothes above and below where ``dressed`` says so."""
    unit, crown = head_px * who.height, sole_y - HEADS * head_px * who.height
    painter = _Painter(np.asarray(canvas, np.float32), axis_x, crown, unit)
    above = TEE if dressed[0] else who.skin
    below = TROUSERS if dressed[1] else who.skin
    for side in (-1, 1):
        painter.part(LEG, below, side, wide=who.hips)
        painter.part(SHOE, SHOES, side, wide=who.hips)
    painter.part(NECK_HALF, who.skin, 0)
    painter.part(TORSO, above, 0, wide=(who.shoulders + who.hips) / 2)
    if dressed[1]:
        painter.part(
            (*(point for point in TORSO if point[1] > 2.9), (0.0, 3.0)),
            below,
            0,
            wide=(who.shoulders + who.hips) / 2,
        )
    for side in (-1, 1):
        painter.part(ARM, who.skin, side, wide=who.shoulders)
        painter.part(HAND, who.skin, side, wide=who.shoulders)
    painter.part(HEAD, who.skin, 0)
    if who.hair != who.skin:
        painter.part(HAIR, who.hair, 0)
    silhouette = painter.silhouette
    return Figure(painter.pixels(), silhouette, _body(who, axis_x, crown, unit, silhouette), sole_y)


def _body(who: Mannequin, axis_x: float, crown: float, unit: float, silhouette: Plane) -> Body:
    """What ``find_body`` would find, known here for certain."""
    face = FACE_OF_HEAD * unit
    eyes = crown + 0.3 * unit
    return Body(
        face_width=face,
        neck_x=axis_x,
        neck_y=eyes + (NECK - 0.06) * face,
        shoulder_x=axis_x,
        shoulder_y=eyes + SHOULDER * face,
        half_width=0.88 * unit * who.shoulders,
        arms_rad=(ARM_RAD, ARM_RAD),
        region=np.asarray(silhouette > 0.5),
    )


class _Painter:
    """Lays shaded parts over each other and remembers what they cover."""

    def __init__(self, canvas: Plane, axis_x: float, crown: float, unit: float) -> None:
        self._canvas = canvas.copy()
        self._axis_x, self._crown, self._unit = axis_x, crown, unit
        self.silhouette = np.zeros(canvas.shape[:2], np.float32)

    def part(self, half: Points, colour: tuple[int, int, int], side: int, *, wide: float = 1.0) -> None:
        """One part on a ``side`` (-1, 1), or mirrored about the axis (0)."""
        points = [(x * wide * (side or 1), y) for x, y in half]
        if side == 0:
            points += [(-x, y) for x, y in reversed(points)]
        place = np.array([(self._axis_x + x * self._unit, self._crown + y * self._unit) for x, y in points])
        left, top = np.maximum(place.min(axis=0).astype(int) - 4, 0)
        right, bottom = place.max(axis=0).astype(int) + 5
        window = np.s_[top : min(bottom, self._canvas.shape[0]), left : min(right, self._canvas.shape[1])]
        mask = np.zeros(self.silhouette[window].shape, np.uint8)
        if not mask.size:
            return
        cv2.fillPoly(mask, [np.round((place - (left, top)) * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
        # Blurred and cut again: corners of the outline become curves.
        soft = blur(np.asarray(mask / 255, np.float32), 0.03 * self._unit)
        cover = np.clip((soft - 0.5) * self._unit * 0.045 + 0.5, 0, 1)
        shaded = np.array(colour, np.float32) * self._light(cover)[..., None]
        self._canvas[window] += (np.clip(shaded, 0, 255) - self._canvas[window]) * cover[..., None]
        self.silhouette[window] = np.maximum(self.silhouette[window], cover)

    def pixels(self) -> Pixels:
        return np.asarray(np.clip(self._canvas + 0.5, 0, 255), np.uint8)

    def _light(self, cover: Plane) -> Plane:
        """Brightness of a body that is as round as its outline, lit from the upper left."""
        reach = 0.34 * self._unit
        depth = cv2.distanceTransform((cover > 0.5).astype(np.uint8), cv2.DIST_L2, 5) / reach
        dome = np.sqrt(np.clip(1 - (1 - np.clip(depth, 0, 1)) ** 2, 0, 1)) * reach
        dome = blur(np.asarray(dome, np.float32), 0.05 * self._unit)
        down, across = np.gradient(dome)
        facing = (0.42 * across + 0.3 * down + 0.86) / np.sqrt(across**2 + down**2 + 1)
        return np.asarray(0.56 + 0.5 * np.clip(facing, 0, 1.1), np.float32)

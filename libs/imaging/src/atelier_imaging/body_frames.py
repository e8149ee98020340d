"""Coordinates on a posed body: along and across its trunk, and along and across each arm and leg."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from atelier_imaging.geometry import Plane
from atelier_imaging.pose_model import Points, Pose

EYES, EARS, MOUTH, SHOULDERS, ELBOWS, WRISTS = (2, 5), (7, 8), (9, 10), (11, 12), (13, 14), (15, 16)
HANDS, HIPS, KNEES, ANKLES = ((17, 19, 21), (18, 20, 22)), (23, 24), (25, 26), (27, 28)
KNEE, ANKLE = 1.85, 2.7
"""How far along the trunk's axis knees and ankles lie; shoulders are 0 and hips 1."""
SHOULDER_MIN = 0.27
"""Of the trunk's length, the least half width of shoulders: they are never seen narrower, even from the side."""
SHOULDER_OF_FACE_MIN, SILHOUETTE_MAX = 1.65, 2.6
CHIN = 0.75
"""How far below the mouth the chin lies, in distances from the eyes to the mouth."""
ROWS, ROW_FIRST, ROW_LAST = 96, -0.5, 2.8
WIDTHS = np.linspace(ROW_FIRST, ROW_LAST, ROWS)


@dataclass(frozen=True, slots=True)
class Limb:
    """Three joints, the first the nearest to the trunk; ``reach`` is how wide it is at each, in pixels from its
    middle, and ``length`` how long its first part would be if it lay level with the picture."""

    joints: NDArray[np.float64]
    reach: tuple[float, float, float]
    visible: float

    def coordinates(self, shape: tuple[int, int]) -> tuple[Plane, Plane]:
        """For each pixel: along (0 first joint, 1 second, 2 third) and across, in pixels to the right of the way."""
        y, x = np.mgrid[0 : shape[0], 0 : shape[1]].astype(np.float32)
        parts = []
        for index in (0, 1):
            start, way = self.joints[index], self.joints[index + 1] - self.joints[index]
            length = max(float(np.hypot(*way)), 1e-3)
            ahead = ((x - start[0]) * way[0] + (y - start[1]) * way[1]) / length
            across = ((y - start[1]) * way[0] - (x - start[0]) * way[1]) / length
            past = np.maximum(np.maximum(-ahead, ahead - length), 0)
            parts.append((np.hypot(across, past), index + ahead / length, across))
        (near_0, along_0, across_0), (near_1, along_1, across_1) = parts
        second = near_1 < near_0 - 1e-2
        along = np.where(second, np.maximum(along_1, 1), np.minimum(along_0, 1))
        # About the outside of a bent joint the distance to the joint counts, with the side on which it lies.
        off = np.where(second, np.copysign(near_1, across_1), np.copysign(near_0, across_0))
        open_end = np.where(second, along_1 > 2, along_0 < 0)
        off = np.where(open_end, np.where(second, across_1, across_0), off)
        return np.asarray(along, np.float32), np.asarray(off, np.float32)

    def reach_at(self, along: Plane) -> Plane:
        return np.asarray(np.interp(along, (0, 1, 2), self.reach), np.float32)

    def region(self, shape: tuple[int, int], *, wide: float = 1.0, hand: tuple[float, float] | None = None) -> Plane:
        """1 on the limb, drawn as a capsule of its reach times ``wide``; ``hand`` is where fingers end."""
        height, width = shape
        drawn = np.zeros((height, width), np.uint8)
        steps = np.linspace(0, 2, 41)
        joints = np.array([[np.interp(step, (0, 1, 2), self.joints[:, axis]) for axis in (0, 1)] for step in steps])
        for step, (x, y) in zip(steps, joints, strict=True):
            cv2.circle(drawn, _pixel(x, y), max(1, int(wide * np.interp(step, (0, 1, 2), self.reach))), 1, -1)
        if hand is not None:
            palm = int(1.25 * wide * self.reach[2])
            cv2.line(drawn, _pixel(*self.joints[2]), _pixel(*hand), 1, max(1, 2 * palm))
            cv2.circle(drawn, _pixel(*hand), max(1, palm), 1, -1)
        return drawn.astype(np.float32)


@dataclass(frozen=True, slots=True)
class BodyFrames:
    """``axis`` are the trunk's middle points from the shoulders to the ankles; arms and legs are given left to right
    as the picture shows them, ``hands`` are the ends of the fingers."""

    shape: tuple[int, int]
    axis: NDArray[np.float64]
    shoulder: float
    """Half the distance of the shoulder joints, in pixels: the unit of lengths."""
    trunk: float
    """Pixels from the shoulders to the hips."""
    across: tuple[NDArray[np.float64], NDArray[np.float64]]
    mouth: NDArray[np.float64]
    chin: NDArray[np.float64]
    face: float
    """Half the width of the face, in pixels."""
    neck: NDArray[np.float64]
    """The foot of the neck in front, where the collar of a T-shirt lies."""
    arms: tuple[Limb, Limb]
    hands: tuple[NDArray[np.float64], NDArray[np.float64]]
    hands_visible: tuple[float, float]
    legs: tuple[Limb, Limb]
    half_hips: float
    sits: bool
    """Whether thighs are drawn up, so that they lie beside the trunk or before it."""

    def is_human(self, person: Plane) -> bool:
        """False for what no grown person is: shoulders hardly wider than the face on a silhouette far wider still."""
        if self.shoulder > SHOULDER_OF_FACE_MIN * self.face:
            return True
        down, right = self.trunk_coordinates()
        waist = np.abs(right[(np.abs(down - 0.5) < 0.03) & (person > 0.5)])
        return not waist.size or bool(np.percentile(waist, 97) < SILHOUETTE_MAX * self.shoulder)

    def trunk_coordinates(self) -> tuple[Plane, Plane]:
        """For each pixel how far down the axis it lies (0 shoulders, 1 hips, then knees and ankles), and how far right
        of it, in pixels."""
        y, x = np.mgrid[0 : self.shape[0], 0 : self.shape[1]].astype(np.float32)
        stops = (0.0, 1.0, KNEE, ANKLE)
        down = np.zeros(self.shape, np.float32)
        right = np.zeros(self.shape, np.float32)
        for index in range(3):
            start, way = self.axis[index], self.axis[index + 1] - self.axis[index]
            side = self.sideways(index)
            turn = way[0] * side[1] - way[1] * side[0]
            along = ((x - start[0]) * side[1] - (y - start[1]) * side[0]) / turn
            off = ((x - start[0]) - along * way[0]) * side[0] + ((y - start[1]) - along * way[1]) * side[1]
            here = along > 0 if index else np.ones(self.shape, bool)
            place = stops[index] + along * (stops[index + 1] - stops[index])
            down = np.where(here, place, down)
            right = np.where(here, off, right)
        return np.asarray(down, np.float32), np.asarray(right, np.float32)

    def sideways(self, index: int) -> NDArray[np.float64]:
        """The direction across the axis, to the picture's right; upright to it below the hips."""
        way = self.axis[index + 1] - self.axis[index]
        upright = np.array([way[1], -way[0]]) / max(float(np.hypot(*way)), 1e-3)
        return upright if upright[0] >= 0 else -upright


def body_frames(pose: Pose) -> BodyFrames:
    """The frames of a pose; left and right are the picture's."""
    points = pose.points.astype(np.float64)
    sides = (1, 0) if points[SHOULDERS[1], 0] <= points[SHOULDERS[0], 0] else (0, 1)
    shoulders, hips = points[[SHOULDERS[side] for side in sides]], points[[HIPS[side] for side in sides]]
    middles = [points[list(pair)].mean(axis=0) for pair in (SHOULDERS, HIPS, KNEES, ANKLES)]
    trunk = max(float(np.hypot(*(middles[1] - middles[0]))), 8.0)
    shoulder = max(float(np.hypot(*(shoulders[1] - shoulders[0]))) / 2, SHOULDER_MIN * trunk)
    half_hips = max(float(np.hypot(*(hips[1] - hips[0]))) / 2, 0.5 * shoulder)
    mouth, eyes = points[list(MOUTH)].mean(axis=0), points[list(EYES)].mean(axis=0)
    chin = mouth + CHIN * (mouth - eyes)
    neck = middles[0] + 0.28 * (chin - middles[0])
    # Of shoulders that are drawn up the joints lie as high as the mouth.
    least = chin[1] + 0.55 * abs(float(mouth[1] - eyes[1]))
    neck = np.array([neck[0], max(float(neck[1]), least)])
    axis = np.array(middles)
    for index in (2, 3):  # legs drawn up towards the trunk show no direction for a skirt
        if axis[index, 1] < axis[index - 1, 1] + 0.3 * trunk:
            axis[index] = axis[index - 1] + (axis[1] - axis[0]) * 0.85
    return BodyFrames(
        pose.person.shape[:2],
        axis,
        shoulder,
        trunk,
        (shoulders[1] - shoulders[0], hips[1] - hips[0]),
        mouth,
        chin,
        1.15 * max(float(np.hypot(*(points[EARS[0]] - points[EARS[1]]))) / 2, 0.85 * float(np.hypot(*(mouth - eyes)))),
        neck,
        _limbs(pose, sides, (SHOULDERS, ELBOWS, WRISTS), (0.36 * shoulder, 0.27 * shoulder, 0.2 * shoulder)),
        (points[list(HANDS[sides[0]])].mean(axis=0), points[list(HANDS[sides[1]])].mean(axis=0)),
        (float(pose.visibility[list(HANDS[sides[0]])].mean()), float(pose.visibility[list(HANDS[sides[1]])].mean())),
        _limbs(pose, sides, (HIPS, KNEES, ANKLES), (0.62 * shoulder, 0.42 * shoulder, 0.3 * shoulder)),
        half_hips,
        bool((points[list(KNEES), 1] < middles[1][1] + 0.45 * trunk).any()),
    )


def _limbs(
    pose: Pose, sides: tuple[int, int], joints: tuple[tuple[int, int], ...], reach: tuple[float, float, float]
) -> tuple[Limb, Limb]:
    first, second = (
        Limb(
            pose.points[[pair[side] for pair in joints]].astype(np.float64),
            reach,
            float(pose.visibility[[pair[side] for pair in joints[1:]]].min()),
        )
        for side in sides
    )
    return first, second


def _pixel(x: float, y: float) -> tuple[int, int]:
    return int(np.clip(x, -20_000, 20_000)), int(np.clip(y, -20_000, 20_000))


__all__ = ["ANKLE", "KNEE", "BodyFrames", "Limb", "Points", "body_frames"]

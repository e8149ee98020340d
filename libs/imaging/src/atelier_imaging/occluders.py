"""What lies before a garment: hair, bare hands and forearms, sleeves that cross the chest, and what two hands hold."""

import cv2
import numpy as np

from atelier_imaging.body_frames import BodyFrames, Limb
from atelier_imaging.figure import Figure
from atelier_imaging.geometry import Plane, blur, fill_holes

HANDS_SKIN_MIN = 0.08
"""How much of what lies between two hands must be skin: the model also imagines hands outside of the picture."""


def before_trunk(figure: Figure) -> Plane:
    """What hides the trunk: hair, bare arms and hands, and arms in sleeves that cross it."""
    front = np.maximum(figure.parts.hair, bare_hands(figure))
    return np.asarray(np.maximum(front, figure.outline.crossing), np.float32)


def before_sleeve(figure: Figure, side: int) -> Plane:
    frames = figure.frames
    other = frames.arms[1 - side].region(frames.shape, wide=1.5, hand=_tip(frames.hands[1 - side]))
    own = _forearm(frames.arms[side]).region(frames.shape, wide=1.4, hand=_tip(frames.hands[side]))
    hands = _closed(np.asarray(np.maximum(other, own) * figure.parts.skin, np.float32), 0.06 * frames.shoulder)
    return np.asarray(np.maximum(figure.parts.hair, hands), np.float32)


def bare_hands(figure: Figure) -> Plane:
    """Bare forearms and hands."""
    frames = figure.frames
    regions = [
        arm.region(frames.shape, wide=1.5, hand=_tip(hand)) for arm, hand in zip(frames.arms, frames.hands, strict=True)
    ]
    bare = _closed(np.asarray(np.maximum(*regions) * figure.parts.skin, np.float32), 0.06 * frames.shoulder)
    return np.asarray(np.maximum(bare, _held(figure) * figure.parts.person), np.float32)


def _held(figure: Figure) -> Plane:
    """What two hands hold together before the body, up to the mouth if they hold it there."""
    frames = figure.frames
    (left, right), (wrist_left, wrist_right) = frames.hands, (arm.joints[2] for arm in frames.arms)
    seen = min(frames.hands_visible) > 0.5
    if not seen or float(np.hypot(*(left - right))) > 1.1 * frames.shoulder:
        return np.zeros(frames.shape, np.float32)
    between = _hull([left, right, wrist_left, wrist_right], frames)
    if float((between * figure.parts.skin).sum()) < HANDS_SKIN_MIN * float(between.sum()):
        return np.zeros(frames.shape, np.float32)
    if min(float(np.hypot(*(hand - frames.mouth))) for hand in frames.hands) > 1.2 * frames.shoulder:
        return between
    # Up to the mouth also the person's own clothes may be seen.
    above = _hull([left, right, frames.mouth], frames) * _unlike_clothes(figure)
    return np.asarray(np.maximum(between, above), np.float32)


def _hull(points: list[np.ndarray], frames: BodyFrames) -> Plane:
    drawn = np.zeros(frames.shape, np.uint8)
    hull = cv2.convexHull(np.array([_within(point, frames.shape) for point in points], np.int32))
    cv2.fillConvexPoly(drawn, hull, 1)
    cv2.polylines(drawn, [hull], True, 1, max(1, int(0.2 * frames.shoulder)))
    return blur(drawn.astype(np.float32), 2.0)


def _unlike_clothes(figure: Figure) -> Plane:
    """1 where the colour is not that of the clothes about."""
    sure = figure.parts.clothes > 0.5
    lab = cv2.cvtColor(np.asarray(figure.rgb, np.float32) / 255, cv2.COLOR_RGB2LAB)
    if not sure.any():
        return np.ones(sure.shape, np.float32)
    off = (lab - np.median(lab[sure], axis=0)) * (0.5, 1, 1)
    return blur(np.asarray(np.linalg.norm(off, axis=2) > 13, np.float32), 2.0)


def _closed(plane: Plane, radius_px: float) -> Plane:
    """Without specks, and with what it encloses: nails, rings, gaps between fingers that hold something."""
    size = 2 * max(1, int(radius_px)) + 1
    solid = cv2.morphologyEx(
        (plane > 0.5).astype(np.uint8),
        cv2.MORPH_OPEN,
        cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size // 2 | 1,) * 2),
    )
    whole = fill_holes(
        cv2.morphologyEx(solid, cv2.MORPH_CLOSE, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))) > 0
    )
    inner = cv2.erode(whole.astype(np.uint8), np.ones((5, 5), np.uint8))
    return np.asarray(np.maximum(plane * whole, blur(inner.astype(np.float32), 1.0)), np.float32)


def _within(point: np.ndarray, shape: tuple[int, int]) -> tuple[int, int]:
    return int(np.clip(point[0], 0, shape[1] - 1)), int(np.clip(point[1], 0, shape[0] - 1))


def _forearm(arm: Limb) -> Limb:
    joints = arm.joints.copy()
    joints[0] = joints[1] + 0.15 * (joints[2] - joints[1])
    joints[1] = (joints[0] + joints[2]) / 2
    return Limb(joints, (arm.reach[1], arm.reach[1], arm.reach[2]), arm.visible)


def _tip(hand: np.ndarray) -> tuple[float, float]:
    return float(hand[0]), float(hand[1])

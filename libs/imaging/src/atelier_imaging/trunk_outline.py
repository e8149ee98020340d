"""How wide the trunk is at each height, where shoulders begin, and which sleeved arms lie across it."""

from dataclasses import dataclass

import cv2
import numpy as np

from atelier_imaging.body_frames import ROW_FIRST, ROW_LAST, ROWS, BodyFrames, Limb
from atelier_imaging.body_parts import BodyParts
from atelier_imaging.geometry import Plane, blur, smoothstep

SIDES = 64
NARROWEST, WIDEST = 0.86, 1.5
"""Bounds of what is believed of the silhouette, in usual widths."""


@dataclass(frozen=True, slots=True)
class TrunkOutline:
    """``halves`` (rows, 2) are the trunk's half widths left and right of its axis in pixels, for evenly spaced places
    down it; ``top`` is where the shoulders' surface lies for places across (-1.1 to 1.1); ``crossing`` marks sleeved
    arms before the trunk; ``sleeve_ends`` is how far along the upper arm the worn sleeve reaches, 0 unknown."""

    halves: Plane
    top: Plane
    crossing: Plane
    sleeve_ends: tuple[float, float]

    def half(self, down: Plane, right: Plane) -> Plane:
        places = np.linspace(ROW_FIRST, ROW_LAST, ROWS)
        left_side, right_side = (np.interp(down, places, self.halves[:, side]) for side in (0, 1))
        return np.asarray(np.where(right < 0, left_side, right_side), np.float32)

    def across(self, down: Plane, right: Plane) -> Plane:
        """-1 at the left edge, 1 at the right one."""
        return np.asarray(right / self.half(down, right), np.float32)

    def surface(self, across: Plane) -> Plane:
        return np.asarray(np.interp(across, np.linspace(-1.1, 1.1, len(self.top)), self.top), np.float32)


def outline_trunk(frames: BodyFrames, parts: BodyParts) -> TrunkOutline:
    """Measured on the silhouette without the arms, within human measure."""
    halves = _halves(frames, parts)
    return TrunkOutline(
        halves,
        _top(frames, parts, halves),
        _crossing(frames, parts),
        (_sleeve_end(frames.arms[0], parts), _sleeve_end(frames.arms[1], parts)),
    )


def _usual(frames: BodyFrames) -> Plane:
    hips = max(1.75 * frames.half_hips, 0.95 * frames.shoulder)
    places = np.linspace(ROW_FIRST, ROW_LAST, ROWS)
    return np.asarray(
        np.interp(
            places,
            (0, 0.25, 0.65, 1),
            (1.12 * frames.shoulder, 1.08 * frames.shoulder, 0.5 * (frames.shoulder + hips) * 0.98, hips),
        ),
        np.float32,
    )


def _halves(frames: BodyFrames, parts: BodyParts) -> Plane:
    usual = _usual(frames)
    arms = np.maximum(*(arm.region(frames.shape, wide=0.85) for arm in frames.arms))
    shares = np.linspace(0.5, WIDEST, SIDES).astype(np.float32)
    halves = np.zeros((ROWS, 2), np.float32)
    for side, sign in ((0, -1), (1, 1)):
        x, y = _places(frames, usual[:, None] * shares[None, :] * sign)
        inside = cv2.remap(parts.person, x, y, cv2.INTER_LINEAR, borderValue=1.0) > 0.5
        arm = cv2.remap(arms, x, y, cv2.INTER_LINEAR, borderValue=0.0) > 0.5
        stopped = ~inside | (arm & (shares > 0.9)[None, :])
        found = np.where(stopped.any(axis=1), shares[stopped.argmax(axis=1)], 1.2)
        by_arm = (stopped & arm)[np.arange(ROWS), stopped.argmax(axis=1)]
        found = np.where(by_arm, np.clip(found, 1.0, 1.2), found)
        widest = np.where(np.linspace(ROW_FIRST, ROW_LAST, ROWS) > 0.6, 1.08, WIDEST) if frames.sits else WIDEST
        halves[:, side] = np.clip(found, NARROWEST, widest) * usual
    places = np.linspace(ROW_FIRST, ROW_LAST, ROWS)
    chest, hips = np.searchsorted(places, 0.18), np.searchsorted(places, 1.0)
    halves[:chest] = np.minimum(halves[chest], 1.2 * usual[chest])
    halves[hips:] = halves[hips]
    return np.asarray(cv2.GaussianBlur(halves, (1, 0), sigmaX=0.1, sigmaY=2.0), np.float32)


def _places(frames: BodyFrames, right: Plane) -> tuple[Plane, Plane]:
    """Picture coordinates for places down the axis (rows) and pixels right of it (columns)."""
    places = np.linspace(ROW_FIRST, ROW_LAST, ROWS)
    way = frames.axis[1] - frames.axis[0]
    side = frames.sideways(0)
    middle = frames.axis[0][None, :] + np.minimum(places, 1.3)[:, None] * way[None, :]
    x = middle[:, 0:1] + right * side[0]
    y = middle[:, 1:2] + right * side[1]
    return np.asarray(x, np.float32), np.asarray(y, np.float32)


def _top(frames: BodyFrames, parts: BodyParts, halves: Plane) -> Plane:
    """The first place down the axis that is the person's, without the head: the slope of the shoulders."""
    steps = np.linspace(-1.1, 1.1, 89)
    places = np.linspace(-0.5, 0.2, 120)
    chest = halves[np.searchsorted(np.linspace(ROW_FIRST, ROW_LAST, ROWS), 0.1)]
    right = np.where(steps < 0, steps * chest[0], steps * chest[1])
    way, side = frames.axis[1] - frames.axis[0], frames.sideways(0)
    x = frames.axis[0][0] + places[:, None] * way[0] + right[None, :] * side[0]
    y = frames.axis[0][1] + places[:, None] * way[1] + right[None, :] * side[1]
    body = parts.person * (1 - parts.hair)
    seen = cv2.remap(np.asarray(body, np.float32), x.astype(np.float32), y.astype(np.float32), cv2.INTER_LINEAR) > 0.5
    first = np.where(seen.any(axis=0), places[seen.argmax(axis=0)], -0.05)
    slope = np.interp(np.abs(steps), (0, 0.45, 1.0), (-0.16, -0.15, -0.06))  # as shoulders usually slope
    believed = np.clip(first, slope - 0.06, slope + 0.1)
    return np.asarray(blur(believed[None, :].astype(np.float32), 3)[0], np.float32)


def _crossing(frames: BodyFrames, parts: BodyParts) -> Plane:
    """Forearms in sleeves before the trunk; bare ones are known by their skin."""
    down, right = frames.trunk_coordinates()
    inside = (np.abs(right) < 0.9 * frames.shoulder) & (down > 0) & (down < 1.1)
    marked = np.zeros(frames.shape, np.float32)
    for arm in frames.arms:
        if arm.visible < 0.5 or not all(_is_inside(joint, frames.shape) for joint in arm.joints[1:]):
            continue
        joints = arm.joints.copy()
        joints[0] = joints[1]
        joints[1] = (joints[0] + joints[2]) / 2
        forearm = Limb(joints, (1.15 * arm.reach[1], 1.1 * arm.reach[1], 1.1 * arm.reach[2]), arm.visible)
        region = forearm.region(frames.shape)
        clothed = float((region * parts.clothes).sum()) > 0.6 * max(float(region.sum()), 1.0)
        over = float((region * inside).sum()) > 0.3 * max(float(region.sum()), 1.0)
        if clothed and over:
            marked = np.maximum(marked, region)
    return smoothstep(blur(marked, 0.02 * frames.shoulder), 0.3, 0.7)


def _is_inside(joint: np.ndarray, shape: tuple[int, int]) -> bool:
    return bool(0 <= joint[0] < shape[1] and 0 <= joint[1] < shape[0])


def _sleeve_end(arm: Limb, parts: BodyParts) -> float:
    """Where skin begins along the upper arm."""
    steps = np.linspace(0.15, 1.0, 35)
    points = arm.joints[0][None, :] + steps[:, None] * (arm.joints[1] - arm.joints[0])[None, :]
    x, y = points[:, 0:1].astype(np.float32), points[:, 1:2].astype(np.float32)
    skin = cv2.remap(parts.skin, x, y, cv2.INTER_LINEAR)[:, 0] > 0.5
    if not skin[-8:].mean() > 0.6 or skin[:3].any():
        return 0.0
    cloth = np.flatnonzero(~skin)
    return float(steps[cloth[-1]]) if cloth.size else 0.0

"""Measures a cut-out garment: trunk, shoulder line, sleeves, waist."""

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from atelier_imaging.geometry import Pixels, Plane, Region, blur

ARMHOLE_X = 0.88
"""Where sleeves turn, in half widths of the trunk."""
SLEEVES_SHARE_MIN = 0.04

Zone = Literal["upper", "lower"]


@dataclass(frozen=True, slots=True)
class Sleeves:
    """What moves with the arms: a weight 0..1 for each pixel, and the joint and angle (level = 0) it lay at."""

    weight: Plane
    joint_x: float
    joint_y: float
    angle_rad: float


@dataclass(frozen=True, slots=True)
class Garment:
    """A cut-out in its own pixels: rgb (height, width, 3) and alpha (height, width) 0..1.

    ``axis_x`` and ``half_width`` belong to the trunk of an upper garment and to the waist of a lower one; ``top_edge``
    is, for each column, the first row of cloth; the sleeves' joint lies ``joint_x`` to either side of the axis.
    """

    rgb: Pixels
    alpha: Plane
    zone: Zone
    axis_x: float
    half_width: float
    top_edge: Plane
    sleeves: Sleeves | None


def measure_garment(rgb: Pixels, alpha: Plane) -> Garment:
    """The garment cropped to its cloth."""
    solid = alpha > 0.5
    rows, columns = np.flatnonzero(solid.any(axis=1)), np.flatnonzero(solid.any(axis=0))
    window = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    rgb, alpha, solid = rgb[window], alpha[window], solid[window]
    runs = _middle_runs(solid)
    axis_x, half_width = _across(runs, 0.5, 0.9)
    zone: Zone = "lower" if _is_lower(solid, half_width) else "upper"
    if zone == "lower":
        axis_x, half_width = _across(runs, 0.0, 0.15)
    top_edge = blur(_tops(solid)[None, :], solid.shape[1] / 60)[0]
    sleeves = _sleeves(solid, runs, axis_x, half_width, top_edge) if zone == "upper" else None
    return Garment(_without_rim(rgb, solid), np.ascontiguousarray(alpha), zone, axis_x, half_width, top_edge, sleeves)


def _without_rim(rgb: Pixels, solid: Region) -> Pixels:
    """The colours of the edge taken from the cloth inside it, so that no rim of the ground is carried along."""
    reach = max(1, solid.shape[1] // 240)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    core = cv2.erode(solid.astype(np.float32), kernel, borderType=cv2.BORDER_CONSTANT, borderValue=0)[..., None]
    colours, weight = (blur(np.asarray(plane, np.float32), 2 * reach) for plane in (rgb * core, core))
    known = (core > 0) | (weight[..., None] < 0.01)
    filled_in = np.where(known, rgb, np.clip(colours / np.maximum(weight[..., None], 1e-3) + 0.5, 0, 255))
    return np.asarray(filled_in, np.uint8)


def _tops(solid: Region) -> Plane:
    return np.asarray(np.where(solid.any(axis=0), solid.argmax(axis=0), solid.shape[0]), np.float32)


def _middle_runs(solid: Region) -> Plane:
    """For each row where the cloth about the middle begins and ends; what lies apart from it is left out."""
    centre = int(np.median(np.nonzero(solid)[1]))
    edges = []
    for row in solid:
        gaps = np.flatnonzero(~row)
        edges.append((gaps[gaps <= centre].max(initial=-1) + 1, gaps[gaps >= centre].min(initial=len(row))))
    return np.array(edges, np.float32)


def _across(runs: Plane, start: float, stop: float) -> tuple[float, float]:
    """Middle and half width of the runs between two heights, without runs of nothing (a neckline, between legs)."""
    part = runs[int(len(runs) * start) : max(int(len(runs) * start) + 1, int(len(runs) * stop))]
    wide = part[part[:, 1] - part[:, 0] > 2]
    left, right = np.median(wide if len(wide) else part, axis=0)
    return float(left + right) / 2, max(float(right - left) / 2, runs[:, 1].max() / 8)


def _sleeves(solid: Region, runs: Plane, axis_x: float, half_width: float, top_edge: Plane) -> Sleeves | None:
    """What lies beside the trunk above the armpits, and what hangs apart from it below them."""
    height, width = solid.shape
    off_axis = np.abs(np.arange(width, dtype=np.float32) - axis_x)[None, :]
    half_run = np.maximum(axis_x - runs[:, 0], runs[:, 1] - axis_x)
    wide = np.flatnonzero(half_run[: int(height * 0.7)] > 1.12 * half_width)
    armpit = int(wide[-1]) if wide.size else 0
    # The margin keeps the trunk's own soft edge from being carried off with the sleeve.
    apart_x = np.maximum(half_run, half_width) + 0.04 * half_width
    apart = (np.arange(height) > armpit)[:, None] & (off_axis > apart_x[:, None])
    above = (np.arange(height) <= armpit)[:, None] & (off_axis > half_width)
    part = solid & (above | apart)
    if part.sum() < SLEEVES_SHARE_MIN * solid.sum():
        return None
    joint_x = ARMHOLE_X * half_width
    ends = [int(np.clip(axis_x + side * joint_x, 0, width - 1)) for side in (-1, 1)]
    joint_y = float(top_edge[ends].mean() + 0.2 * half_width)
    rows, columns = np.nonzero(part)
    angle = np.arctan2(rows.mean() - joint_y, np.abs(columns - axis_x).mean() - joint_x)
    return Sleeves(blur((above | apart).astype(np.float32), width / 300), joint_x, joint_y, float(angle))


def _is_lower(solid: Region, half_width: float) -> bool:
    """Trousers end in two legs; a skirt has no sleeves and no neckline and is narrower above than below."""
    height, width = solid.shape
    ends = solid[int(height * 0.75) : max(int(height * 0.75) + 1, int(height * 0.95))]
    pieces = np.median((np.diff(ends.astype(np.int8), axis=1, prepend=0) == 1).sum(axis=1))
    if pieces == 2 and height > 1.1 * width:
        return True
    tops = _tops(solid)
    middle = float(np.median(tops[int(width * 0.45) : int(width * 0.55) + 1]))
    waist = float(solid[: max(1, height // 8)].sum(axis=1).mean())
    return middle < 0.04 * height and waist < 1.5 * half_width and width < 2.8 * half_width

"""Measures along a garment laid flat: the trunk's edges row by row, a sleeve's and a leg's course, and what it is."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from atelier_imaging.garment_measures import Garment
from atelier_imaging.geometry import Plane, Region, blur

Cut = Literal["top", "dress", "trousers", "skirt"]
DRESS_LENGTH = 4.6
"""In half widths of the trunk, shoulders to hem: what is longer covers the legs."""
LEGS_ROWS_MIN = 0.25


@dataclass(frozen=True, slots=True)
class Course:
    """A sleeve or a leg: for each pixel of its length its middle and half width across, in garment pixels."""

    middle: Plane
    half: Plane

    @property
    def length(self) -> int:
        return len(self.half)


@dataclass(frozen=True, slots=True)
class GarmentProfile:
    """``left`` and ``right`` are the trunk's edges in each row of the cut-out; ``sleeve`` is the right one, measured
    from its joint along its own direction; ``leg`` the course of the right leg down the rows, 0 above ``crotch_y``."""

    cut: Cut
    left: Plane
    right: Plane
    sleeve: Course | None
    leg: Course | None
    crotch_y: int


def measure_profile(garment: Garment) -> GarmentProfile:
    """The profile of a garment that was cut out and measured."""
    solid = garment.alpha > 0.5
    left, right = _edges(garment, solid)
    crotch = _crotch(solid) if garment.zone == "lower" else solid.shape[0]
    legs = crotch < solid.shape[0] * (1 - LEGS_ROWS_MIN)
    long = solid.shape[0] > DRESS_LENGTH * garment.half_width
    if garment.zone == "lower":
        cut: Cut = "trousers" if legs else "skirt"
    else:
        cut = "dress" if long else "top"
    leg = _leg(garment, solid, crotch) if cut == "trousers" else None
    return GarmentProfile(cut, left, right, _sleeve(garment, solid), leg, crotch)


def _edges(garment: Garment, solid: Region) -> tuple[Plane, Plane]:
    """Where the trunk begins and ends in each row, without its sleeves; smooth, and never narrower than the neck."""
    width = solid.shape[1]
    cloth = solid if garment.sleeves is None else solid & (garment.sleeves.weight < 0.5)
    columns = np.arange(width)
    least = 0.35 * garment.half_width
    left = np.where(cloth.any(axis=1), np.where(cloth, columns, width).min(axis=1), garment.axis_x - least)
    right = np.where(cloth.any(axis=1), np.where(cloth, columns, -1).max(axis=1), garment.axis_x + least)
    if garment.zone == "upper":  # above the armpits the trunk is as wide as below them
        armpit = int(0.3 * len(left)) if garment.sleeves is None else int(garment.sleeves.joint_y)
        left[: armpit + 1] = np.minimum(left[: armpit + 1], garment.axis_x - 0.94 * garment.half_width)
        right[: armpit + 1] = np.maximum(right[: armpit + 1], garment.axis_x + 0.94 * garment.half_width)
    left = np.minimum(left, garment.axis_x - least)
    right = np.maximum(right, garment.axis_x + least)
    return _smooth(left), _smooth(right)


def _sleeve(garment: Garment, solid: Region) -> Course | None:
    sleeves = garment.sleeves
    if sleeves is None:
        return None
    rows, columns = np.nonzero(solid & (sleeves.weight > 0.5))
    # Both sleeves lie mirrored upon each other.
    out, under = np.abs(columns - garment.axis_x) - sleeves.joint_x, rows - sleeves.joint_y
    cos, sin = np.cos(sleeves.angle_rad), np.sin(sleeves.angle_rad)
    along, across = out * cos + under * sin, under * cos - out * sin
    length = int(np.percentile(along, 99))
    if length < 4:
        return None
    middle, half = np.zeros(length), np.zeros(length)
    for step in range(length):
        here = across[np.abs(along - step) < 2]
        if here.size > 4:
            low, high = np.percentile(here, (1, 99))
            middle[step], half[step] = (low + high) / 2, max((high - low) / 2, 1.0)
    return Course(_smooth(_filled(middle, half > 0)), _smooth(_filled(half, half > 0)))


def _crotch(solid: Region) -> int:
    """The row below which two legs hang apart; the height where there are none."""
    pieces = (np.diff(solid.astype(np.int8), axis=1, prepend=0) == 1).sum(axis=1)
    rows = np.flatnonzero(pieces < 2)
    rows = rows[rows < 0.95 * len(solid)]
    return int(rows[-1]) + 1 if rows.size else len(solid)


def _leg(garment: Garment, solid: Region, crotch: int) -> Course:
    columns = np.arange(solid.shape[1])
    right = solid & (columns > garment.axis_x)[None, :]
    starts = np.where(right, columns, solid.shape[1]).min(axis=1).astype(np.float64)
    ends = np.where(right, columns, -1).max(axis=1).astype(np.float64)
    there = ends > starts
    starts[:crotch] = garment.axis_x
    middle, half = (starts + ends) / 2 - garment.axis_x, np.maximum((ends - starts) / 2, 1)
    return Course(_smooth(_filled(middle, there)), _smooth(_filled(half, there)))


def _filled(values: np.ndarray, there: np.ndarray) -> np.ndarray:
    known = np.flatnonzero(there)
    return np.interp(np.arange(len(values)), known, values[known]) if known.size else values


def _smooth(values: np.ndarray) -> Plane:
    return np.asarray(blur(np.asarray(values, np.float32)[None, :], max(len(values) / 60, 1.0))[0], np.float32)

"""Finds where a garment hangs on the person in a photograph: neck, shoulders, and the silhouette if it can be found."""

from dataclasses import dataclass
from math import radians

import cv2
import numpy as np

from atelier_imaging.background_segmentation import grab_cut, region_before_plain_ground
from atelier_imaging.decoder import Photo
from atelier_imaging.face import Face, detect_face, estimate_face
from atelier_imaging.geometry import Pixels, Region, clean_region, fill_holes, fit_within, largest_region

SILHOUETTE_SIDE_PX = 360
# Proportions in widths of the face box that the Haar cascade draws (brows to lower lip), from upright adults.
CHIN, NECK, SHOULDER = 1.18, 1.32, 2.45
HALF_WIDTH, HALF_WIDTH_MIN, HALF_WIDTH_MAX = 1.5, 1.15, 2.0
ARM_RAD, ARM_RAD_MIN, ARM_RAD_MAX = radians(72), radians(50), radians(84)
"""How steeply arms hang at rest, and the bounds within which what is seen is believed."""


@dataclass(frozen=True, slots=True)
class Body:
    """A person in the pixels of the picture searched: the neck's foot, and the shoulders' middle and half width.

    ``face_width`` is the unit in which bodies are measured; ``arms_rad`` how steeply the left and the right arm of the
    picture hang (level = 0); ``region`` is the silhouette, at a scale of its own, None where it cannot be found.
    """

    face_width: float
    neck_x: float
    neck_y: float
    shoulder_x: float
    shoulder_y: float
    half_width: float
    arms_rad: tuple[float, float]
    region: Region | None


def find_body(photo: Photo, rgb: Pixels) -> Body:
    """Locate the person of ``photo`` in ``rgb``, which is the same picture scaled; there is always an answer."""
    small = fit_within(rgb, SILHOUETTE_SIDE_PX)
    scale = rgb.shape[1] / small.shape[1]
    detected = detect_face(rgb)
    shown = _opaque(photo, small)
    if shown is None and detected is None:
        shown = region_before_plain_ground(small)
    face = detected.at_scale(1 / scale) if detected else estimate_face(small, shown)
    region = _with_torso(shown, face)
    if region is None:
        region = _with_torso(_silhouette(small, face), face)
    middle, half_width = _shoulders(region, face)
    return Body(
        face_width=face.width * scale,
        neck_x=face.middle * scale,
        neck_y=face.below(NECK) * scale,
        shoulder_x=middle * scale,
        shoulder_y=face.below(SHOULDER) * scale,
        half_width=half_width * scale,
        arms_rad=_arms(region, face, middle, half_width),
        region=region,
    )


def _opaque(photo: Photo, rgb: Pixels) -> Region | None:
    """What the alpha channel shows, if it leaves anything out."""
    if photo.alpha is None:
        return None
    opaque = np.asarray(cv2.resize(photo.alpha, rgb.shape[1::-1], interpolation=cv2.INTER_AREA) > 127)
    return None if opaque.all() or not opaque.any() else opaque


def _with_torso(region: Region | None, face: Face) -> Region | None:
    """The region if most of a chest lies in it, else nothing: a wrong silhouette is worse than none."""
    if region is None:
        return None
    rows = np.s_[int(face.below(NECK + 0.3)) : int(face.below(SHOULDER + 1))]
    chest = region[rows, max(0, int(face.middle - face.width)) : int(face.middle + face.width)]
    return region if chest.size and chest.mean() > 0.8 else None


def _silhouette(rgb: Pixels, face: Face) -> Region:
    """GrabCut from what anatomy promises."""
    labels = _seeds(rgb.shape[0], rgb.shape[1], face)
    return fill_holes(largest_region(clean_region(grab_cut(rgb, labels, rounds=4))))


def _seeds(height: int, width: int, face: Face) -> Pixels:
    """Sure: face and chest. Likely: shoulders and arms. Surely not: beside and above the head, far to the sides."""
    labels = np.full((height, width), cv2.GC_PR_BGD, np.uint8)
    middle, unit = face.middle, face.width
    chin, shoulder, waist = face.below(CHIN), face.below(SHOULDER - 0.2), face.below(4.5)
    likely = ((0.5, chin), (1.8, shoulder), (2.1, height))
    sure = ((0.3, chin), (0.9, shoulder), (0.95, waist))
    _fill_mirrored(labels, middle, unit, likely, cv2.GC_PR_FGD)
    _fill_mirrored(labels, middle, unit, sure, cv2.GC_FGD)
    for side in (np.s_[: max(0, int(middle - 1.3 * unit))], np.s_[int(middle + 1.3 * unit) :]):
        labels[: max(0, int(face.below(1.0))), side] = cv2.GC_BGD
    for side in (np.s_[: max(0, int(middle - 2.15 * unit))], np.s_[int(middle + 2.15 * unit) :]):
        labels[:, side] = cv2.GC_BGD
    labels[: max(0, int(face.below(-0.9)))] = cv2.GC_BGD
    centre = (int(middle), int(face.below(0.5)))
    cv2.ellipse(labels, centre, (int(0.45 * unit), int(0.65 * unit)), 0, 0, 360, cv2.GC_FGD, -1)
    return labels


def _fill_mirrored(
    labels: Pixels, middle: float, unit: float, half: tuple[tuple[float, float], ...], value: int
) -> None:
    points = [(middle + x * unit, y) for x, y in half] + [(middle - x * unit, y) for x, y in reversed(half)]
    cv2.fillPoly(labels, [np.array(points, np.int32)], value)


def _shoulders(region: Region | None, face: Face) -> tuple[float, float]:
    """Middle and half width at shoulder height, as seen if that is within human measure, else as usual."""
    usual = face.middle, HALF_WIDTH * face.width
    row = int(face.below(SHOULDER))
    if region is None or row >= region.shape[0]:
        return usual
    columns = np.flatnonzero(region[row])
    if not columns.size:
        return usual
    half_width = float(columns[-1] - columns[0]) / 2
    if not HALF_WIDTH_MIN * face.width < half_width < HALF_WIDTH_MAX * face.width:
        return usual
    middle = float(columns[0] + columns[-1]) / 2
    return middle if abs(middle - face.middle) < 0.5 * face.width else face.middle, half_width


def _arms(region: Region | None, face: Face, middle: float, half_width: float) -> tuple[float, float]:
    """The angle of each upper arm, from the shoulder joint to the silhouette's edge less half an arm."""
    if region is None:
        return ARM_RAD, ARM_RAD
    mirrored = _arm(region[:, ::-1], face, region.shape[1] - middle, half_width)
    return mirrored, _arm(region, face, middle, half_width)


def _arm(region: Region, face: Face, middle: float, half_width: float) -> float:
    """The arm on the right of ``region``."""
    upper_arm = region[int(face.below(SHOULDER + 0.5)) : int(face.below(SHOULDER + 1.5)), int(middle) :]
    if not upper_arm.size:
        return ARM_RAD
    edges = [row.argmin() if not row.all() else len(row) for row in upper_arm]
    out = float(np.median(edges)) - 0.25 * face.width - 0.79 * half_width
    return float(np.clip(np.arctan2(1.7 * face.width, out), ARM_RAD_MIN, ARM_RAD_MAX))

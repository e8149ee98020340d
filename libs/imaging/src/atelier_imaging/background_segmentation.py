"""Separates a subject from a plain ground, as in product photographs and studio portraits."""

import cv2
import numpy as np
from numpy.typing import NDArray

from atelier_imaging.geometry import Pixels, Plane, Region, clean_region, fill_holes, largest_region

CLEARLY_OTHER_LAB, FAINTLY_OTHER_LAB = 15.0, 5.0
"""Distances in Lab: beyond any soft shadow on a studio ground, and just beyond its noise."""
STEEP, STEEP_SHARE_MAX = 40.0, 0.3
"""Grey levels of the Sobel operator that mean an edge, and how many edges a plain border may have."""
COLOURS_STD_MIN = 2.0
AREA_MIN, AREA_MAX = 0.03, 0.97


def region_before_plain_ground(rgb: Pixels) -> Region | None:
    """What differs from the colours of the picture's border; None where nothing, or everything, does."""
    if not _is_plain(rgb):
        return None
    distance = _distance_from_border(rgb)
    clear, faint = (fill_holes(clean_region(distance > limit)) for limit in (CLEARLY_OTHER_LAB, FAINTLY_OTHER_LAB))
    # What is clear leaves shadows out. But of a white shirt on white only the print is clear, and then the shirt
    # is much more than that.
    rough = faint if largest_region(clear).sum() < 0.7 * largest_region(faint).sum() else clear
    if not AREA_MIN < rough.mean() < AREA_MAX:
        return None
    return _refine(rgb, rough)


def _is_plain(rgb: Pixels) -> bool:
    """Whether most of the border is smooth: nothing can be separated from brick, grass or a crowd."""
    grey = cv2.GaussianBlur(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), (0, 0), 1.0).astype(np.float32)
    steep = np.hypot(cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1)) > STEEP
    border = np.concatenate([side.ravel() for side in _sides(steep)])
    return float(border.mean()) < STEEP_SHARE_MAX


def _sides(plane: NDArray[np.generic]) -> tuple[NDArray[np.generic], ...]:
    band = max(1, min(plane.shape[:2]) // 40)
    return plane[:band], plane[-band:], plane[:, :band], plane[:, -band:]


def _distance_from_border(rgb: Pixels) -> Plane:
    """Lab distance of each pixel to the nearest of the border's main colours.

    Lightness counts half, because the soft shadow of a garment belongs to the ground.
    """
    lab = cv2.cvtColor(rgb, cv2.COLOR_RGB2LAB).astype(np.float32) * np.array([0.5, 1, 1], np.float32)
    border = np.concatenate([side.reshape(-1, 3) for side in _sides(lab)])
    criteria = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 20, 0.5)
    start = np.zeros((len(border), 1), np.int32)
    _, labels, centres = cv2.kmeans(border, min(3, len(border)), start, criteria, 2, cv2.KMEANS_PP_CENTERS)
    # The thing itself may touch the border: a colour that is seen on little of it is not the ground.
    common = [centre for index, centre in enumerate(centres) if (labels == index).mean() > 0.2]
    return np.asarray(np.min([np.linalg.norm(lab - centre, axis=2) for centre in common], axis=0), np.float32)


def _refine(rgb: Pixels, rough: Region) -> Region:
    """GrabCut in a band about the rough edge; a result that lost or gained too much is not used."""
    band = max(3, rgb.shape[1] // 60)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * band + 1, 2 * band + 1))
    labels = np.where(rough, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    labels[cv2.erode(rough.astype(np.uint8), kernel, borderType=cv2.BORDER_REPLICATE) == 1] = cv2.GC_FGD
    labels[cv2.dilate(rough.astype(np.uint8), kernel) == 0] = cv2.GC_BGD
    refined = fill_holes(grab_cut(rgb, labels, rounds=3))
    return refined if 0.85 < refined.sum() / rough.sum() < 1.15 else rough


def grab_cut(rgb: Pixels, labels: Pixels, *, rounds: int) -> Region:
    """GrabCut from seeds in ``labels``; the seeds themselves where they or the picture leave nothing to decide."""
    front = (labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD)
    # In a picture of one colour GrabCut finds no edge either, but takes seconds to look for it.
    if front.all() or not front.any() or rgb.std(axis=(0, 1)).max() < COLOURS_STD_MIN:
        return np.asarray(front)
    no_frame = (0, 0, 1, 1)  # only read when the seeds are a rectangle
    cv2.grabCut(rgb, labels, no_frame, np.zeros((1, 65)), np.zeros((1, 65)), rounds, cv2.GC_INIT_WITH_MASK)
    return np.asarray((labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD))

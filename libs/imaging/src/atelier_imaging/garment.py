"""Cuts a garment out of its product photograph: what is cloth and what is the ground it lies on."""

import cv2
import numpy as np

from atelier_imaging.background_segmentation import AREA_MAX, AREA_MIN, region_before_plain_ground
from atelier_imaging.decoder import Photo
from atelier_imaging.garment_measures import Garment, measure_garment
from atelier_imaging.geometry import Pixels, Plane, blur, fit_within, largest_region, resize_region

WORK_SIDE_PX = 1024
MASK_SIDE_PX = 384


def cut_out(photo: Photo) -> Garment:
    """Find the garment by its alpha channel or before its plain ground; a picture of cloth only is cut as a shirt."""
    rgb = fit_within(photo.rgb, WORK_SIDE_PX)
    alpha = subject_alpha(photo, rgb)
    return measure_garment(own_colours(photo, rgb), _shirt_pattern(rgb) if alpha is None else alpha)


def subject_alpha(photo: Photo, rgb: Pixels) -> Plane | None:
    """What the photograph is of, 0..1 in the size of ``rgb``, which is the same picture scaled; None if all of it."""
    alpha = _opaque_part(photo, rgb)
    return _part_before_ground(rgb) if alpha is None else alpha


def own_colours(photo: Photo, rgb: Pixels) -> Pixels:
    """The photograph's colours in the size of ``rgb``, without the white that shows through where it is cut out.

    ``rgb`` itself where its alpha channel cuts nothing out.
    """
    if _opaque_part(photo, rgb) is None or photo.alpha is None:
        return rgb
    # Weighed by their opacity, or the colour of what is not seen would run over the edge.
    weight = np.asarray(photo.alpha / 255, np.float32)[..., None]
    size = rgb.shape[1::-1]
    colours = cv2.resize(np.asarray(photo.straight * weight, np.float32), size, interpolation=cv2.INTER_AREA)
    weights = cv2.resize(weight, size, interpolation=cv2.INTER_AREA)[..., None]
    own = np.clip(np.rint(colours / np.maximum(weights, 1e-6)), 0, 255)
    return np.asarray(np.where(weights > 0, own, 255), np.uint8)


def _opaque_part(photo: Photo, rgb: Pixels) -> Plane | None:
    """The alpha channel, if it says anything; one that is opaque all over does not."""
    if photo.alpha is None:
        return None
    alpha = np.asarray(cv2.resize(photo.alpha, rgb.shape[1::-1], interpolation=cv2.INTER_AREA) / 255, np.float32)
    return alpha if AREA_MIN < (alpha > 0.5).mean() < AREA_MAX else None


def _part_before_ground(rgb: Pixels) -> Plane | None:
    region = region_before_plain_ground(fit_within(rgb, MASK_SIDE_PX))
    if region is None:
        return None
    # One pixel less and a ramp inside the edge: there the colours are the cloth's own.
    inner = cv2.erode(largest_region(region).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    return np.asarray(np.clip((resize_region(inner, rgb) - 0.5) / 0.4, 0, 1), np.float32)


def _shirt_pattern(rgb: Pixels) -> Plane:
    """A T-shirt that fills the picture, for a photograph that shows nothing but cloth."""
    height, width = rgb.shape[:2]
    half = (
        (0.0, 0.09),
        (0.12, 0.08),
        (0.22, 0.02),
        (0.52, 0.08),
        (0.98, 0.36),
        (0.76, 0.48),
        (0.58, 0.38),
        (0.6, 0.98),
    )
    right = [((1 + x) * width / 2, y * height) for x, y in half]
    points = [*right, *((width - x, y) for x, y in reversed(right))]
    region = np.zeros((height, width), np.uint8)
    cv2.fillPoly(region, [np.array(points, np.int32)], 255)
    return blur(np.asarray(region / 255, np.float32), width / 200)

"""Small moves on pixel arrays and regions that cutting, finding and draping share."""

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Plane = NDArray[np.float32]
Region = NDArray[np.bool_]


def fit_within(rgb: Pixels, side_max_px: int, *, side_min_px: int = 1) -> Pixels:
    """The picture scaled so that its long side lies between the two bounds, in pixels; proportions are kept."""
    height, width = rgb.shape[:2]
    longest = max(height, width)
    scale = min(max(longest, side_min_px), side_max_px) / longest
    if scale == 1:
        return rgb
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    resized = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    return np.asarray(resized, np.uint8)


def clean_region(region: Region) -> Region:
    """Specks removed, pinholes closed."""
    size = max(3, region.shape[1] // 80)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    opened = cv2.morphologyEx(region.astype(np.uint8), cv2.MORPH_OPEN, kernel)
    return np.asarray(cv2.morphologyEx(opened, cv2.MORPH_CLOSE, kernel) > 0)


def fill_holes(region: Region) -> Region:
    """Everything the border cannot reach: a print in the ground's colour is still part of the garment."""
    canvas = np.pad(region.astype(np.uint8), 1)
    reached = np.zeros((canvas.shape[0] + 2, canvas.shape[1] + 2), np.uint8)
    cv2.floodFill(canvas, reached, (0, 0), 2)
    return np.asarray(canvas[1:-1, 1:-1] != 2)


def largest_region(region: Region) -> Region:
    """The biggest connected part; the whole if there is nothing to choose from."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(region.astype(np.uint8))
    if count < 2:
        return region
    return np.asarray(labels == 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA])))


def resize_region(region: Region, like: Pixels) -> Plane:
    """A region as a soft plane 0..1 in the size of another picture."""
    height, width = like.shape[:2]
    plane = cv2.resize(region.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    return blur(np.asarray(plane, np.float32), width / region.shape[1])


def blur(plane: Plane, sigma_px: float) -> Plane:
    return np.asarray(cv2.GaussianBlur(plane, (0, 0), max(sigma_px, 0.3)), np.float32)


def smoothstep(value: Plane, low: float, high: float) -> Plane:
    """0 below low, 1 above high, and no corner between."""
    t = np.clip((value - low) / (high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)


def draw_to_edges(plane: Plane, rgb: Pixels, radius_px: float) -> Plane:
    """A rough plane 0..1, its edge drawn to the picture's edges within a radius, by a guided filter."""
    guide = np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), np.float32) / 255
    size = (2 * max(2, int(radius_px)) + 1,) * 2
    mean, mean_plane = cv2.blur(guide, size), cv2.blur(plane, size)
    slope = (cv2.blur(guide * plane, size) - mean * mean_plane) / (cv2.blur(guide * guide, size) - mean**2 + 2e-3)
    offset = mean_plane - slope * mean
    return np.asarray(cv2.blur(slope, size) * guide + cv2.blur(offset, size), np.float32)

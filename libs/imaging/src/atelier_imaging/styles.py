"""The last step of a drawn picture: what the styles natural, vivid, artistic and photographic mean for its pixels."""

import cv2
import numpy as np

from atelier_imaging.geometry import Pixels, Plane, blur
from atelier_imaging.noise import Rng, fractal


def to_pixels(canvas: Plane) -> Pixels:
    return np.asarray(np.clip(canvas + 0.5, 0, 255), np.uint8)


def apply_style(rgb: Pixels, style: str, rng: Rng, *, fine: bool) -> Pixels:
    """The picture in its style; ``fine`` keeps more detail."""
    if style == "vivid":
        rgb = vivid(rgb)
    elif style == "artistic":
        rgb = painterly(rgb, rng, fine=fine)
    elif style == "photographic":
        rgb = photographic(rgb, rng)
    return sharpen(rgb, 0.9) if fine else rgb


def vivid(rgb: Pixels) -> Pixels:
    """Stronger colours and a steeper curve."""
    canvas = rgb.astype(np.float32)
    grey = canvas.mean(axis=2, keepdims=True)
    strong = grey + (canvas - grey) * 1.5
    curve = np.clip(strong / 255, 0, 1)
    return to_pixels(np.asarray((0.45 * curve + 0.55 * curve * curve * (3 - 2 * curve)) * 255, np.float32))


def painterly(rgb: Pixels, rng: Rng, *, fine: bool) -> Pixels:
    """Brush strokes: colours averaged along a flow, then laid over each other with the relief of paint."""
    height, width = rgb.shape[:2]
    flow = fractal(rng, (height, width), width * 0.3, octaves=2) * 6.3
    bristle = fractal(rng, (height, width), max(3.0, width / 260), octaves=2)
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    reach = width / (170 if fine else 120)
    smooth = cv2.medianBlur(rgb, 2 * int(reach / 3) + 3)
    total = np.zeros(rgb.shape, np.float32)
    grain = np.zeros((height, width), np.float32)
    for step in (-1.0, -0.6, -0.2, 0.2, 0.6, 1.0):
        x, y = columns + step * reach * np.cos(flow), rows + step * reach * np.sin(flow)
        total += cv2.remap(smooth, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
        grain += cv2.remap(bristle, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    relief = np.clip((grain - np.roll(grain, 2, axis=0)) * 0.7, -1, 1)[..., None]
    mixed = total / 6
    grey = mixed.mean(axis=2, keepdims=True)
    return to_pixels(np.asarray((grey + (mixed - grey) * 1.25) * (1 + 0.16 * relief), np.float32))


def photographic(rgb: Pixels, rng: Rng) -> Pixels:
    """As a camera would: falling off towards the corners, light blooming, the sensor's grain."""
    height, width = rgb.shape[:2]
    canvas = rgb.astype(np.float32)
    bright = np.clip(canvas - 190, 0, 65)
    canvas += 0.8 * blur(bright, width / 60)
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    corner = np.hypot((columns / width - 0.5) * 1.2, rows / height - 0.5)
    canvas *= (1.03 - 0.5 * np.clip(corner - 0.2, 0, 1) ** 1.6)[..., None]
    canvas += rng.standard_normal((height, width), dtype=np.float32)[..., None] * 3.2
    grey = canvas.mean(axis=2, keepdims=True)
    return to_pixels(np.asarray(grey + (canvas - grey) * 0.88, np.float32))


def sharpen(rgb: Pixels, share: float) -> Pixels:
    soft = cv2.GaussianBlur(rgb, (0, 0), 1.1)
    return np.asarray(cv2.addWeighted(rgb, 1 + share, soft, -share, 0), np.uint8)

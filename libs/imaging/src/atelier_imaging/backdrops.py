"""The catalogue's backgrounds as surfaces: seen from the front behind a figure, or from above under products."""

import cv2
import numpy as np

from atelier_contracts.catalogue import Background
from atelier_imaging.geometry import Plane, smoothstep
from atelier_imaging.noise import Rng, fractal

SEAMLESS = ("plain", "gradient")
FLOOR_Y = 0.84


def paint_surface(ground: Background, rng: Rng, shape: tuple[int, int], *, octaves: int = 5) -> Plane:
    """The pattern filling the canvas."""
    tile = {"planks": _planks, "tiles": _tiles, "linen": _linen, "marble": _marble}.get(ground.backdrop)
    share = tile(rng, shape, octaves) if tile else _light(rng, shape, wide=ground.backdrop == "gradient")
    first, second = (np.array(colour, np.float32) for colour in (ground.first, ground.second))
    return np.asarray(second + (first - second) * share[..., None], np.float32)


def paint_room(ground: Background, rng: Rng, shape: tuple[int, int], *, octaves: int = 5) -> Plane:
    """The pattern as a wall that ends in a floor; plain ones run into the floor without a seam."""
    canvas = paint_surface(ground, rng, shape, octaves=octaves)
    height, width = shape
    rows = np.asarray(np.arange(height)[:, None] / height, np.float32)
    if ground.backdrop in SEAMLESS:
        canvas *= (1 - 0.1 * smoothstep(rows, FLOOR_Y - 0.12, FLOOR_Y + 0.1))[..., None]
        return canvas
    grain = fractal(rng, shape, width * 0.4, octaves=octaves, stretch=(0.06, 1.5)) - 0.5
    floor = np.array(ground.second, np.float32) * 0.7 * (0.86 + 0.9 * (rows - FLOOR_Y) + 0.12 * grain)[..., None]
    canvas += (floor - canvas) * smoothstep(rows, FLOOR_Y - 0.001, FLOOR_Y + 0.001)[..., None]
    skirting = smoothstep(rows, FLOOR_Y - 0.03, FLOOR_Y - 0.029) - smoothstep(rows, FLOOR_Y - 0.001, FLOOR_Y)
    canvas += (np.array((244, 243, 240), np.float32) - canvas) * (0.9 * skirting)[..., None]
    canvas *= (1 - 0.2 * np.exp(-(((rows - FLOOR_Y) / 0.008) ** 2)))[..., None]
    return canvas


def _light(rng: Rng, shape: tuple[int, int], *, wide: bool) -> Plane:
    """A pool of light that falls off to the sides."""
    rows, columns = np.mgrid[0 : shape[0], 0 : shape[1]].astype(np.float32)
    x, y = float(rng.uniform(0.4, 0.6)), float(rng.uniform(0.3, 0.42))
    away = np.hypot(columns / shape[1] - x, (rows / shape[0] - y) * 0.8)
    mottle = fractal(rng, shape, shape[1] * 0.3, octaves=4) - 0.5
    return np.asarray(np.clip(1.05 - (1.5 if wide else 1.1) * away**1.3 + 0.07 * mottle, 0, 1), np.float32)


def _planks(rng: Rng, shape: tuple[int, int], octaves: int) -> Plane:
    height, width = shape
    board = max(24, min(shape) // 7)
    share = np.empty(shape, np.float32)
    for top in range(0, height, board):
        rows = min(board, height - top)
        grain = fractal(rng, (rows, width), width * 0.5, octaves=octaves + 1, stretch=(0.09, 1.6))
        rings = 0.5 + 0.5 * np.sin(grain * 26 + np.linspace(0, 3, rows, dtype=np.float32)[:, None])
        share[top : top + rows] = 0.32 + 0.38 * grain + 0.14 * rings + float(rng.uniform(-0.12, 0.12))
        share[top : top + 2] -= 0.5
        seam = int(rng.integers(width))
        share[top : top + rows, seam : seam + 2] -= 0.45
    return np.asarray(cv2.GaussianBlur(share, (0, 0), 0.7), np.float32)


def _tiles(rng: Rng, shape: tuple[int, int], octaves: int) -> Plane:
    height, width = shape
    side = max(24, min(shape) // 6)
    tones = rng.normal(0.9, 0.07, (height // side + 2, width // side + 2)).astype(np.float32)
    share = np.kron(tones, np.ones((side, side), np.float32))[side // 2 :, side // 3 :][:height, :width].copy()
    rows, columns = np.mgrid[0:height, 0:width]
    joint = max(2, side // 40)
    grout = ((rows + side // 2) % side < joint) | ((columns + side // 3) % side < joint)
    bevel = ((rows + side // 2) % side < 2 * joint) | ((columns + side // 3) % side < 2 * joint)
    share += np.where(bevel, 0.08, 0.0).astype(np.float32)
    share[grout] = -0.45
    glaze = fractal(rng, shape, side * 2.5, octaves=octaves - 2) - 0.5
    return np.asarray(cv2.GaussianBlur(share, (0, 0), 0.8) + 0.22 * glaze, np.float32)


def _linen(rng: Rng, shape: tuple[int, int], octaves: int) -> Plane:
    width = shape[1]
    across = fractal(rng, shape, width * 0.03, octaves=2, stretch=(0.08, 2.0))
    down = fractal(rng, shape, width * 0.03, octaves=2, stretch=(2.0, 0.08))
    folds = fractal(rng, shape, width * 0.7, octaves=octaves - 1) - 0.5
    return np.asarray(0.5 + 0.5 * (across + down - 1) + 0.9 * folds, np.float32)


def _marble(rng: Rng, shape: tuple[int, int], octaves: int) -> Plane:
    rows, columns = np.mgrid[0 : shape[0], 0 : shape[1]].astype(np.float32) / shape[1]
    warp = fractal(rng, shape, shape[1] * 0.5, octaves=octaves + 1)
    fine = fractal(rng, shape, shape[1] * 0.25, octaves=octaves + 1)
    vein = np.abs(np.sin((columns * 1.6 + rows * 2.2 + warp * 2.6) * 3.1))
    hair = np.abs(np.sin((columns * 2.1 - rows * 1.4 + fine * 2.2) * 4.3))
    veins = np.exp(-vein * 9) * 0.8 + np.exp(-hair * 22) * 0.5
    return np.asarray(1 - veins * (0.4 + 0.6 * warp) - 0.12 * fine, np.float32)

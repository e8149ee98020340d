"""The sets that products are photographed on, one a style, in colours that suit what stands there."""

import colorsys
from dataclasses import dataclass

import cv2
import numpy as np

from atelier_imaging.geometry import Plane, smoothstep
from atelier_imaging.noise import Rng, fractal

FLOOR_Y = 0.72
"""Where the floor meets the wall, as a share of the height."""


@dataclass(frozen=True, slots=True)
class Stage:
    """An empty set and how things stand on it: the row of their feet, the tallest they may be (pixels), and light."""

    canvas: Plane
    foot_y: float
    tall: float
    reflection: float
    shadow: float
    shadow_soft: float


def build_stage(
    style: str, rng: Rng, shape: tuple[int, int], colour: Plane, accent: Plane | None, *, wide: bool
) -> Stage:
    """The set of a style, ``wide`` enough for several; ``colour`` is the products', ``accent`` one that the prompt
    names."""
    if style == "artistic":
        return _artistic(rng, shape, colour, accent, 0.47 if wide else 0.36)
    if style == "minimal":
        return _minimal(rng, shape, accent)
    return _realistic(rng, shape, colour, accent)


def _tone(colour: Plane, *, turn: float, saturation: float, value: float) -> Plane:
    """A relative of a colour: its hue turned (1 = full circle), at a saturation and value of its own."""
    hue, _, _ = colorsys.rgb_to_hsv(*(float(part) / 255 for part in np.clip(colour, 0, 255)))
    return np.array(colorsys.hsv_to_rgb((hue + turn) % 1, saturation, value), np.float32) * 255


def _grid(shape: tuple[int, int]) -> tuple[Plane, Plane]:
    rows, columns = np.mgrid[0 : shape[0], 0 : shape[1]].astype(np.float32)
    return rows / shape[0], columns / shape[1]


def _realistic(rng: Rng, shape: tuple[int, int], colour: Plane, accent: Plane | None) -> Stage:
    """A studio: a wall lit by one soft lamp, a polished table, and the corner between them out of focus."""
    y, x = _grid(shape)
    base = _tone(colour if accent is None else accent, turn=0.5 if accent is None else 0.0, saturation=0.16, value=0.8)
    lamp_x = float(rng.uniform(0.3, 0.7))
    pool = np.exp(-(((x - lamp_x) / 0.55) ** 2 + ((y - 0.3) / 0.5) ** 2))
    plaster = fractal(rng, shape, shape[1] * 0.25, octaves=5) - 0.5
    wall = base * (0.62 + 0.5 * pool + 0.045 * plaster)[..., None]
    table = _table(rng, shape, base, y, x, lamp_x)
    canvas = wall + (table - wall) * smoothstep(y, FLOOR_Y - 0.006, FLOOR_Y + 0.006)[..., None]
    canvas *= (1 - 0.16 * np.exp(-(((y - FLOOR_Y) / 0.02) ** 2)))[..., None]
    return Stage(np.asarray(canvas, np.float32), shape[0] * 0.87, shape[0] * 0.68, 0.2, 0.55, 0.03)


def _table(rng: Rng, shape: tuple[int, int], base: Plane, y: Plane, x: Plane, lamp_x: float) -> Plane:
    """Wood seen along its boards: the grain runs across and widens towards the viewer."""
    grain = fractal(rng, shape, shape[1] * 0.3, octaves=6, stretch=(0.05, 2.0)) - 0.5
    near = np.clip((y - FLOOR_Y) / (1 - FLOOR_Y), 0, 1)
    wood = np.array((150, 112, 80), np.float32) * 0.72 + base * 0.22
    sheen = np.exp(-(((x - lamp_x) / 0.4) ** 2)) * (1 - 0.6 * near)
    return np.asarray(wood * (0.86 + 0.34 * grain + 0.3 * sheen - 0.14 * near)[..., None], np.float32)


def _minimal(rng: Rng, shape: tuple[int, int], accent: Plane | None) -> Stage:
    """One seamless pale sheet and a great deal of room."""
    y, x = _grid(shape)
    base = np.array((244, 243, 240), np.float32)
    if accent is not None:
        base = base * 0.8 + accent * 0.2
    tilt = float(rng.uniform(-0.05, 0.05))
    fall = 1.015 - 0.05 * y + tilt * (x - 0.5) - 0.05 * smoothstep(np.hypot(x - 0.5, y - 0.45), 0.35, 0.9)
    return Stage(np.asarray(base * fall[..., None], np.float32), shape[0] * 0.76, shape[0] * 0.5, 0.05, 0.32, 0.05)


def _artistic(rng: Rng, shape: tuple[int, int], colour: Plane, accent: Plane | None, half: float) -> Stage:
    """A coloured paper set: two hues, a disc, an arch, a round plinth, and hard sunlight from one side."""
    height, width = shape
    y, x = _grid(shape)
    key = colour if accent is None else accent
    turn = float(rng.choice((0.42, 0.5, 0.58))) if accent is None else 0.0
    wall = _tone(key, turn=turn, saturation=0.42, value=0.9)
    floor = _tone(key, turn=turn + 0.05, saturation=0.5, value=0.82)
    disc = _tone(key, turn=turn + float(rng.choice((-0.12, 0.12))), saturation=0.5, value=0.97)
    canvas = np.where(
        (y < FLOOR_Y)[..., None], wall * (1.04 - 0.1 * y)[..., None], floor * (1.12 - 0.25 * (y - FLOOR_Y))[..., None]
    )
    side = min(height, width)
    aside = float(rng.choice((-0.2, 0.2)))
    round_ = 1 - smoothstep(np.hypot((x - 0.5 - aside) * width, (y - 0.36) * height) / side, 0.299, 0.301)
    above = (y < FLOOR_Y).astype(np.float32)
    canvas += (disc - canvas) * (round_ * above)[..., None]
    arch_x = np.abs(x - 0.5 + aside * 1.35) * width / side
    arch = (
        np.where(y * height > 0.42 * height, arch_x < 0.15, np.hypot(arch_x, (y - 0.42) * height / side) < 0.15) * above
    )
    canvas += (wall * 0.8 - canvas) * cv2.GaussianBlur(arch.astype(np.float32), (0, 0), 0.8)[..., None]
    beam = smoothstep((x - 0.1) * 0.8 + (0.9 - y) * 0.55, 0.28, 0.31) * 0.14
    canvas *= (0.93 + beam)[..., None]
    foot = height * 0.83
    _plinth(canvas, disc * 0.96, foot, height * 0.09, min(width * half, height * half * 1.6))
    canvas += rng.standard_normal(shape, dtype=np.float32)[..., None] * 1.6
    return Stage(np.asarray(canvas, np.float32), foot, height * 0.62, 0.0, 0.5, 0.012)


def _plinth(canvas: Plane, tone: Plane, top: float, tall: float, half: float) -> None:
    """A low cylinder under the products; its upper face is lighter and its side turns away from the light."""
    height, width = canvas.shape[:2]
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    u = (columns - width / 2) / half
    flat = 0.11 * half
    rim = np.sqrt(np.clip(1 - u**2, 0, 1)) * flat
    side = (np.abs(u) < 1) & (rows > top) & (rows < top + tall + rim)
    face = np.hypot(u, (rows - top) / flat) < 1
    cast = np.exp(-((np.clip(np.hypot((u - 0.12) / 1.12, (rows - top - tall) / (flat * 1.3)) - 0.8, 0, 9) * 7) ** 2))
    canvas *= (1 - 0.3 * cast)[..., None]
    cover = cv2.GaussianBlur(side.astype(np.float32), (0, 0), 0.8)[..., None]
    canvas += (tone * (0.86 - 0.28 * u)[..., None] - canvas) * cover
    cover = cv2.GaussianBlur(face.astype(np.float32), (0, 0), 0.8)[..., None]
    canvas += (tone * 1.04 - canvas) * cover

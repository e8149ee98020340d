"""The sky of a drawn picture: its colours by the hour, sun or moon, clouds and stars."""

from dataclasses import dataclass

import cv2
import numpy as np

from atelier_imaging.geometry import Plane, blur, smoothstep
from atelier_imaging.noise import Rng, fractal
from atelier_imaging.prompt_parser import Colour, Hour, Scene

STOPS: dict[Hour, tuple[Colour, Colour, Colour]] = {
    "day": (((58, 124, 200)), (136, 186, 228), (222, 234, 240)),
    "sunset": ((62, 58, 122), (222, 106, 92), (255, 196, 112)),
    "dawn": ((128, 152, 206), (236, 178, 186), (255, 226, 190)),
    "night": ((8, 12, 34), (22, 34, 76), (52, 66, 112)),
}
"""Zenith, middle, horizon."""
LAMPS: dict[Hour, Colour] = {
    "day": (255, 252, 236), "sunset": (255, 232, 170), "dawn": (255, 240, 214), "night": (238, 240, 226),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Sky:
    """The painted sky and the light it gives: where sun or moon stands (pixels), its colour, the horizon's colour."""

    canvas: Plane
    lamp_x: float
    lamp_y: float
    lamp: Colour
    haze: Plane


def paint_sky(scene: Scene, rng: Rng, height: int, width: int, horizon: float, octaves: int) -> Sky:
    """Fills the whole canvas; what lies below ``horizon`` (pixels) has the horizon's colour."""
    stops = np.array(STOPS[scene.hour], np.float32)
    if scene.tints:
        stops = stops * 0.62 + 0.38 * np.array(scene.tints[0], np.float32)
    rows = np.clip(np.arange(height) / horizon, 0, 1)
    column = np.stack([np.interp(rows, (0, 0.6, 1), stops[:, channel]) for channel in range(3)], axis=1)
    canvas = np.repeat(column[:, None, :].astype(np.float32), width, axis=1)
    x, y = float(width * rng.uniform(0.2, 0.8)), float(horizon * rng.uniform(*_heights(scene.hour)))
    if scene.hour == "night":
        _stars(canvas, rng, horizon)
    if "space" not in scene.lands:
        _lamp(canvas, scene, x, y, horizon)
    if scene.weather != "clear":
        _clouds(canvas, scene, rng, horizon, octaves)
    return Sky(canvas, x, y, LAMPS[scene.hour], stops[2])


def _heights(hour: Hour) -> tuple[float, float]:
    return (0.72, 0.9) if hour in ("sunset", "dawn") else (0.18, 0.4)


def _lamp(canvas: Plane, scene: Scene, x: float, y: float, horizon: float) -> None:
    rows, columns = np.mgrid[0 : canvas.shape[0], 0 : canvas.shape[1]].astype(np.float32)
    away = np.hypot(columns - x, rows - y) / horizon
    size = 0.05 if scene.hour == "night" else 0.06
    disc = 1 - smoothstep(away, size, size + 0.006)
    glow = 0.75 * np.exp(-away * 7) + 0.25 * np.exp(-away * 2.2)
    share = np.clip(disc + glow * (0.35 if scene.hour == "night" else 0.8), 0, 1)[..., None]
    canvas += (np.array(LAMPS[scene.hour], np.float32) - canvas) * share


def _clouds(canvas: Plane, scene: Scene, rng: Rng, horizon: float, octaves: int) -> None:
    height, width = canvas.shape[:2]
    field = fractal(rng, (height, width), horizon * 0.55, octaves=octaves + 1, stretch=(0.5, 1.5))
    low = {"cloudy": 0.42, "foggy": 0.5, "snowy": 0.4}.get(scene.weather, 0.5)
    cover = smoothstep(field, low, low + 0.32)
    # Lit from the lamp's side: the difference of the field to itself a step away.
    relief = np.clip(8 * (field - np.roll(field, int(horizon * 0.03), axis=0)), -1, 1)
    light = np.array(LAMPS[scene.hour], np.float32) * (0.38 if scene.hour == "night" else 0.97)
    shade = canvas.mean(axis=(0, 1)) * (0.6 if scene.hour == "night" else 0.82)
    tone = (0.62 - 0.38 * relief)[..., None]
    canvas += (shade + (light - shade) * tone - canvas) * (0.85 * cover)[..., None]


def _stars(canvas: Plane, rng: Rng, horizon: float) -> None:
    height, width = canvas.shape[:2]
    sparks = np.zeros((height, width), np.float32)
    count = int(width * min(height, horizon) / 1400)
    rows, columns = rng.integers(0, max(1, min(height, int(horizon))), count), rng.integers(0, width, count)
    sparks[rows, columns] = rng.random(count, dtype=np.float32) ** 3
    halo = blur(sparks, width / 900) * 6 + blur(sparks, width / 300) * 12
    canvas += np.clip(sparks + halo, 0, 1)[..., None] * (np.array((250, 250, 255), np.float32) - canvas)


def mist(canvas: Plane, haze: Plane, rng: Rng, at_y: float, reach: float, share: float) -> None:
    """A band of the horizon's colour about a height, thinner and thicker by chance."""
    height, width = canvas.shape[:2]
    rows = np.exp(-(((np.arange(height, dtype=np.float32) - at_y) / reach) ** 2))[:, None]
    drift = 0.5 + 0.5 * fractal(rng, (height, width), width * 0.3, octaves=3, stretch=(0.3, 1.6))
    canvas += (haze - canvas) * np.asarray(share * rows * drift, np.float32)[..., None]


def paint_snow(canvas: Plane, rng: Rng) -> None:
    """Flakes of three sizes, the larger ones nearer and softer."""
    height, width = canvas.shape[:2]
    flakes = np.zeros((height, width), np.uint8)
    for size, count in ((1, 260), (2, 110), (4, 30)):
        radius = max(1, round(size * width / 1100))
        for x, y in zip(rng.integers(0, width, count), rng.integers(0, height, count), strict=True):
            cv2.circle(flakes, (int(x), int(y)), radius, 215, -1, cv2.LINE_AA)
    soft = blur(np.asarray(flakes / 255, np.float32), width / 1500)
    canvas += (np.array((252, 252, 255), np.float32) - canvas) * soft[..., None]

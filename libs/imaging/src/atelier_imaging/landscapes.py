"""What lies under the sky of a drawn picture: ridges, water, dunes, woods, towns and meadows."""

import cv2
import numpy as np

from atelier_imaging.geometry import Pixels, Plane, blur, smoothstep
from atelier_imaging.noise import Rng, fractal, skyline
from atelier_imaging.prompt_parser import Colour, Scene
from atelier_imaging.sky import Sky

DIM = {"day": 1.0, "sunset": 0.62, "dawn": 0.8, "night": 0.3}
"""How bright the land is by the hour."""


def lit(colour: Colour | Plane, scene: Scene, sky: Sky) -> Plane:
    """A land colour in the light of the hour."""
    base = np.asarray(colour, np.float32) * DIM[scene.hour]
    return np.asarray(base * 0.86 + 0.14 * np.asarray(sky.haze, np.float32) * DIM[scene.hour], np.float32)


def ridges(canvas: Plane, scene: Scene, sky: Sky, rng: Rng, horizon: float, octaves: int) -> None:
    """Four ranges, the farther the paler; snow on the high ones."""
    width = canvas.shape[1]
    rock = np.array(scene.tints[0], np.float32) * 0.5 + 40 if scene.tints else np.array((92, 98, 112), np.float32)
    for layer in range(4):
        near = (layer + 1) / 4
        line = 1 - np.abs(
            2 * skyline(rng, width, width * (0.34 - 0.04 * layer), octaves=octaves + 2) - 1
        )  # creases are peaks
        top = horizon - (0.86 - 0.66 * near) * horizon * (0.12 + 0.95 * line**1.3)
        colour = rock if layer < 3 else np.array((70, 92, 64), np.float32)
        tone = lit(colour, scene, sky) * near + np.asarray(sky.haze) * (1 - near)
        _range(
            canvas,
            scene,
            rng,
            np.asarray(top, np.float32),
            np.asarray(tone, np.float32),
            snow=0.0 if layer == 3 else 0.8 * near,
            octaves=octaves,
        )


def _range(canvas: Plane, scene: Scene, rng: Rng, top: Plane, tone: Plane, *, snow: float, octaves: int) -> None:
    height, width = canvas.shape[:2]
    below = np.arange(height, dtype=np.float32)[:, None] - top[None, :]
    cover = smoothstep(below, -0.7, 0.7)[..., None]
    field = fractal(rng, (height, width), width * 0.16, octaves=octaves + 1, stretch=(1.6, 0.6))
    slope = np.clip(14 * (field - np.roll(field, max(1, width // 160), axis=1)), -1, 1)
    shade = 1 + 0.34 * slope - 0.1 * smoothstep(below, 0, 0.5 * height)
    body = tone * shade[..., None]
    if snow or scene.weather == "snowy":
        line = float(np.quantile(top, 0.6)) + (0.35 * height if scene.weather == "snowy" else 0)
        rows = np.arange(height, dtype=np.float32)[:, None] + 0.22 * height * (field - 0.5)
        white = (1 - smoothstep(rows, line - 0.05 * height, line)) * smoothstep(slope, -0.5, 0.3)
        lightest = np.clip(tone * 0.35 + 165 * DIM[scene.hour] + 10, 0, 250)
        body += (lightest - body) * (max(snow, 0.6 if scene.weather == "snowy" else 0) * white)[..., None]
    canvas += (body - canvas) * cover


def water(canvas: Plane, scene: Scene, sky: Sky, rng: Rng, shore: float, octaves: int) -> None:
    """The picture above the shore line mirrored in moving water, with the light's glitter."""
    height, width = canvas.shape[:2]
    top = int(shore)
    deep = height - top
    rows = np.arange(deep, dtype=np.float32)
    near = (rows / deep)[:, None]
    swell = fractal(rng, (deep, width), width * 0.11, octaves=octaves + 1, stretch=(0.09, 1.0)) - 0.5
    columns = np.arange(width, dtype=np.float32)[None, :] + swell * width * 0.09 * (0.15 + near)
    mirrored = np.clip(top - 1 - rows[:, None] * 0.9 * top / max(deep, 1) + swell * 0.09 * height * near, 0, top - 1)
    seen = cv2.remap(canvas, np.asarray(columns, np.float32), np.asarray(mirrored, np.float32), cv2.INTER_LINEAR,
                     borderMode=cv2.BORDER_REFLECT)  # fmt: skip
    tint = scene.tints[0] if scene.tints else (22, 82, 112)
    sea = lit(tint, scene, sky) * (1.05 - 0.45 * near)[..., None]
    share = (0.62 - 0.3 * near + 0.5 * swell)[..., None]
    surface = sea + (seen - sea) * np.clip(share, 0.1, 0.9)
    surface *= (1 + 0.42 * swell * (0.4 + near))[..., None]
    path = np.exp(-(((np.arange(width)[None, :] - sky.lamp_x) / (width * (0.025 + 0.09 * near))) ** 2))
    glitter = path * smoothstep(np.asarray(swell, np.float32), 0.02, 0.22) * (1 - 0.5 * near)
    surface += (np.array(sky.lamp, np.float32) - surface) * np.asarray(0.85 * glitter, np.float32)[..., None]
    canvas[top:] = surface


def dunes(canvas: Plane, scene: Scene, sky: Sky, rng: Rng, horizon: float) -> None:
    """Smooth crests, one flank in the light and one in the shade, with the wind's ripples."""
    height, width = canvas.shape[:2]
    sand = np.array(scene.tints[0] if scene.tints else (224, 168, 104), np.float32)
    x = np.arange(width, dtype=np.float32)
    for layer in range(5):
        near = (layer + 1) / 5
        line = skyline(rng, width, width * (0.5 + 0.12 * layer), octaves=2)
        top = horizon + height * (0.62 * near**1.5 - 0.1) - 0.16 * height * line * (0.5 + near)
        below = np.arange(height, dtype=np.float32)[:, None] - top[None, :]
        flank = np.clip(np.gradient(blur(top[None, :], width / 90)[0]) * 3.2, -1, 1)
        turned = np.clip(flank[None, :] * (1 - 0.5 * np.clip(below / (0.3 * height), 0, 1)), -1, 1)
        ripple = np.sin((below + 10 * line[None, :] + 0.08 * x[None, :]) * (0.7 / near)) * 0.03 * near
        tone = lit(sand, scene, sky) * (0.55 + 0.45 * near) + np.asarray(sky.haze) * 0.5 * (1 - near)
        body = tone * (1 + 0.3 * turned * np.sign(sky.lamp_x - width / 2) + ripple)[..., None]
        canvas += (body - canvas) * smoothstep(below, -0.7, 0.7)[..., None]


def ground(canvas: Plane, scene: Scene, sky: Sky, rng: Rng, top_y: float, colour: Colour, octaves: int) -> None:
    """Open land with a grassy grain, coarser towards the viewer."""
    height, width = canvas.shape[:2]
    line = top_y + 0.02 * height * (skyline(rng, width, width * 0.6, octaves=2) - 0.5)
    below = np.arange(height, dtype=np.float32)[:, None] - line[None, :]
    near = np.clip(below / max(height - top_y, 1), 0, 1)
    if scene.weather == "snowy":
        colour = (226, 232, 242)
    grain = fractal(rng, (height, width), width * 0.03, octaves=octaves, stretch=(0.6, 1.0)) - 0.5
    grass = fractal(rng, (height, width), width * 0.012, octaves=2, stretch=(3.0, 0.25)) - 0.5
    tone = lit(colour, scene, sky) * (1.12 - 0.45 * near + 0.3 * grain + 0.42 * grass * near)[..., None]
    canvas += (tone - canvas) * smoothstep(np.asarray(below, np.float32), -0.7, 0.7)[..., None]


def firs(canvas: Pixels, scene: Scene, sky: Sky, rng: Rng, top_y: float, octaves: int) -> None:
    """Rows of firs, the nearest large and dark at the sides."""
    height, width = canvas.shape[:2]
    base = scene.tints[0] if scene.tints else (44, 84, 58)
    for row in range(4):
        near = (row + 1) / 4
        tone = lit(base, scene, sky) * (0.4 + 0.4 * (1 - near)) + np.asarray(sky.haze) * 0.55 * (1 - near)
        for _ in range(int((46 - 9 * row) * (1.25 if octaves > 4 else 1))):
            x = float(rng.random() * width)
            if row == 3 and abs(x / width - 0.5) < 0.26:
                continue
            foot = top_y + (height - top_y) * (0.06 + 0.8 * near**2.2) + float(rng.normal(0, 0.01)) * height
            tall = height * (0.1 + 0.42 * near**2) * float(rng.uniform(0.75, 1.2))
            _fir(
                canvas,
                rng,
                x,
                foot,
                tall,
                np.asarray(tone * rng.uniform(0.85, 1.15), np.float32),
                snowy=scene.weather == "snowy",
            )


def _fir(canvas: Pixels, rng: Rng, x: float, foot: float, tall: float, tone: Plane, *, snowy: bool) -> None:
    cv2.rectangle(canvas, *_box(x - tall * 0.015, foot - tall * 0.1, x + tall * 0.015, foot), _ink(tone * 0.5), -1)
    tiers = 7
    for tier in range(tiers):
        top = foot - tall * (1 - tier / tiers * 0.86)
        low = top + tall * 0.27
        half = tall * (0.035 + 0.2 * (tier + 1) / tiers) * float(rng.uniform(0.85, 1.1))
        droop = tall * 0.03
        points = [
            (x, top),
            (x + half * 0.45, low - tall * 0.08),
            (x + half, low),
            (x + half * 0.3, low - droop),
            (x, low + droop / 2),
            (x - half * 0.3, low - droop),
            (x - half, low),
            (x - half * 0.45, low - tall * 0.08),
        ]
        polygon(canvas, points, tone * (0.8 + 0.05 * tier))
        lightened = tone * 0.3 + 150 if snowy else tone * 1.22
        polygon(
            canvas,
            [(x, top), (x - half * 0.5, low - tall * 0.09), (x - half, low), (x - half * 0.35, low - tall * 0.07)],
            lightened,
        )


def polygon(canvas: Pixels, points: list[tuple[float, float]], tone: Plane) -> None:
    """A filled polygon with smooth edges, placed to a sixteenth of a pixel."""
    fixed = np.round(np.array(points) * 16).astype(np.int32)
    cv2.fillPoly(canvas, [fixed], _ink(tone), cv2.LINE_AA, 4)


def _box(left: float, top: float, right: float, bottom: float) -> tuple[tuple[int, int], tuple[int, int]]:
    return (round(left), round(top)), (round(right), round(bottom))


def _ink(tone: Plane) -> tuple[int, int, int]:
    red, green, blue = (int(value) for value in np.clip(tone, 0, 255))
    return red, green, blue

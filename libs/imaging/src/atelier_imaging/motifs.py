"""What stands in a drawn picture or fills it: towns, flowers, planets, flowing colours, boats, houses, balloons."""

from math import cos, pi, sin

import numpy as np

from atelier_imaging.geometry import Pixels, Plane, smoothstep
from atelier_imaging.landscapes import lit, polygon
from atelier_imaging.noise import Rng, fractal
from atelier_imaging.prompt_parser import Colour, Scene
from atelier_imaging.sky import Sky

PETALS: tuple[Colour, ...] = ((232, 84, 96), (246, 190, 72), (238, 150, 190), (150, 110, 204), (250, 244, 236))


def town(canvas: Pixels, scene: Scene, sky: Sky, rng: Rng, base_y: float) -> None:
    """Three rows of towers; at night and dusk their windows are lit."""
    width = canvas.shape[1]
    dark = scene.hour in ("night", "sunset")
    stone = scene.tints[0] if scene.tints else (104, 112, 130)
    for row in range(3):
        near = (row + 1) / 3
        tone = lit(stone, scene, sky) * (1.1 - 0.5 * near) + np.asarray(sky.haze) * 0.6 * (1 - near)
        x = -float(rng.random()) * width * 0.05
        while x < width:
            broad = width * float(rng.uniform(0.035, 0.085))
            middle = 1 - abs((x + broad / 2) / width - 0.5) * 1.1
            tall = base_y * float(rng.uniform(0.22, 0.82)) * middle * (1.15 - 0.3 * near)
            face = np.asarray(tone * rng.uniform(0.85, 1.15), np.float32)
            _tower(canvas, rng, (x, base_y - tall, x + broad, base_y + 2), face, dark, near)
            x += broad * float(rng.uniform(0.92, 1.25))


def _tower(
    canvas: Pixels, rng: Rng, box: tuple[float, float, float, float], face: Plane, dark: bool, near: float
) -> None:
    left, top, right, bottom = box
    polygon(canvas, [(left, top), (right, top), (right, bottom), (left, bottom)], face)
    side = left + (right - left) * 0.74
    polygon(canvas, [(side, top), (right, top), (right, bottom), (side, bottom)], face * 0.78)
    if rng.random() < 0.3:
        mast = (left + right) / 2
        high = (right - left) * 0.7
        polygon(canvas, [(mast - 1, top), (mast, top - high), (mast + 1, top)], face * 0.8)
    cell = max(4.0, canvas.shape[1] / 190 * (0.7 + 0.5 * near))
    for y in np.arange(top + cell, bottom - cell, cell * 1.5):
        for x in np.arange(left + cell * 0.6, right - cell * 0.7, cell * 1.25):
            on = rng.random() < (0.5 if dark else 0.0)
            pane = np.array((255, 214, 138), np.float32) * (0.6 + 0.4 * near) if on else face * (0.7 if dark else 1.32)
            polygon(canvas, [(x, y), (x + cell * 0.6, y), (x + cell * 0.6, y + cell * 0.8), (x, y + cell * 0.8)], pane)


def flowers(canvas: Pixels, scene: Scene, sky: Sky, rng: Rng, top_y: float, octaves: int) -> None:
    """A meadow in bloom, from dots far away to whole blossoms in front."""
    height, width = canvas.shape[:2]
    colours = scene.tints or PETALS
    for step in np.linspace(0.02, 1.0, 70 if octaves > 4 else 46):
        near = float(step)
        size = height * (0.004 + 0.05 * near**1.7)
        foot = top_y + (height - top_y) * (0.04 + 0.96 * near) + size
        for _ in range(max(2, int(26 * (1 - near) + 2))):
            x = float(rng.random() * width)
            tall = size * float(rng.uniform(1.6, 3.4))
            lean = tall * float(rng.normal(0, 0.16))
            stem = lit((58, 112, 56), scene, sky) * float(rng.uniform(0.7, 1.1))
            thick = size * 0.07
            head = (x + lean, foot - tall)
            polygon(
                canvas,
                [(x - thick, foot), (x + thick, foot), (head[0] + thick, head[1]), (head[0] - thick, head[1])],
                stem,
            )
            leaf = [(x, foot - tall * 0.3), (x + size * 0.7, foot - tall * 0.62), (x + size * 0.2, foot - tall * 0.3)]
            polygon(canvas, leaf, stem * 1.15)
            petal = lit(colours[int(rng.integers(len(colours)))], scene, sky) * float(rng.uniform(0.9, 1.12))
            _blossom(canvas, rng, head, size * float(rng.uniform(0.7, 1.1)), petal)


def _blossom(canvas: Pixels, rng: Rng, head: tuple[float, float], size: float, tone: Plane) -> None:
    if size < 4:
        polygon(canvas, _ellipse(*head, size, size * 0.7, 0, points=8), tone)
        return
    petals, start = int(rng.integers(6, 10)), float(rng.random() * pi)
    for ring, scale in ((0, 1.0), (1, 0.66)):
        for index in range(petals):
            angle = start + (index + ring / 2) * 2 * pi / petals
            x, y = head[0] + cos(angle) * size * 0.55 * scale, head[1] + sin(angle) * size * 0.42 * scale
            shade = (0.82 + 0.16 * ring) * (1 - 0.16 * sin(angle))
            polygon(canvas, _ellipse(x, y, size * 0.5 * scale, size * 0.24 * scale, angle), tone * shade)
    polygon(
        canvas, _ellipse(*head, size * 0.24, size * 0.19, 0), np.array((226, 168, 52), np.float32) * tone.mean() / 160
    )


def _ellipse(x: float, y: float, a: float, b: float, turn: float, *, points: int = 20) -> list[tuple[float, float]]:
    angles = [2 * pi * index / points for index in range(points)]
    return [
        (x + a * cos(t) * cos(turn) - b * sin(t) * sin(turn), y + a * cos(t) * sin(turn) + b * sin(t) * cos(turn))
        for t in angles
    ]


def planet(canvas: Plane, scene: Scene, rng: Rng, octaves: int) -> None:
    """A nebula and a banded planet, lit from one side, perhaps with a ring."""
    globe(canvas, nebula(canvas, scene, rng, octaves), rng, octaves)


def nebula(canvas: Plane, scene: Scene, rng: Rng, octaves: int) -> tuple[Plane, Plane]:
    """What glows behind the planet; its two colours."""
    height, width = canvas.shape[:2]
    tint = np.array(scene.tints[0] if scene.tints else PETALS[int(rng.integers(4))], np.float32)
    other = np.array(scene.tints[1] if len(scene.tints) > 1 else (70, 120, 214), np.float32)
    cloud = fractal(rng, (height, width), width * 0.45, octaves=octaves + 2)
    hue = fractal(rng, (height, width), width * 0.6, octaves=3)[..., None]
    canvas += (tint * hue + other * (1 - hue)) * (0.75 * smoothstep(cloud, 0.42, 1.0))[..., None]
    return tint, other


def globe(canvas: Plane, colours: tuple[Plane, Plane], rng: Rng, octaves: int) -> None:
    """The planet, in the colours of its nebula."""
    height, width = canvas.shape[:2]
    tint, other = colours
    radius = min(height, width) * float(rng.uniform(0.2, 0.3))
    x, y = width * float(rng.uniform(0.32, 0.68)), height * float(rng.uniform(0.4, 0.6))
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    u, v = (columns - x) / radius, (rows - y) / radius
    away = np.hypot(u, v)
    depth = np.sqrt(np.clip(1 - away**2, 0, 1))
    swirl = fractal(rng, (height, width), radius * 0.5, octaves=octaves + 1, stretch=(0.6, 2.4)) - 0.5
    bands = 0.5 + 0.5 * np.sin((v + 0.22 * u) * 11 + 4.5 * swirl)
    light = np.clip(-0.62 * u - 0.45 * v + 0.62 * depth, 0.02, 1)[..., None]
    surface = (tint * bands[..., None] + (other * 0.4 + 130) * (1 - bands[..., None])) * light * 1.25
    ring_v = (v - 0.3 * u) / 0.22
    band = np.hypot(u, ring_v)
    ring = smoothstep(band, 1.3, 1.34) * (1 - smoothstep(band, 2.0, 2.06)) * (0.55 + 0.3 * np.sin(band * 34))
    ringed = (other * 0.3 + tint * 0.3 + 110) * ring[..., None]
    canvas += (ringed - canvas) * (0.8 * ring * (ring_v < 0))[..., None]
    canvas += (surface - canvas) * (1 - smoothstep(away, 0.995, 1.005))[..., None]
    canvas += (tint * 0.5 + 100 - canvas) * (0.3 * np.exp(-np.abs(away - 1.0) * 26) * (u + v < 0.5))[..., None]
    canvas += (ringed - canvas) * (0.9 * ring * (ring_v >= 0))[..., None]


def flow(canvas: Plane, scene: Scene, rng: Rng, octaves: int) -> None:
    """Folded bands of colour: noise displaced by noise, shaded as if it were silk."""
    height, width = canvas.shape[:2]
    warp = fractal(rng, (height, width), width * 0.5, octaves=2) * 5
    twist = fractal(rng, (height, width), width * 0.35, octaves=octaves) * 2
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32) / width
    angle = float(rng.random() * pi)
    phase = (columns * cos(angle) + rows * sin(angle)) * 2.5 + warp + 0.6 * twist
    start = int(rng.integers(len(PETALS)))
    named = [*scene.tints, *(PETALS[(start + index) % len(PETALS)] for index in range(2 if scene.tints else 4))]
    stops = np.array([*named, named[0]], np.float32)
    place = (phase * 0.45 % 1) * (len(stops) - 1)
    at = np.arange(len(stops))
    canvas[:] = np.stack([np.interp(place, at, stops[:, channel]) for channel in range(3)], axis=2)
    folds = np.sin(phase * 2 * pi * 1.6)
    sheen = np.clip(np.gradient(np.asarray(folds, np.float32), axis=1) * width / 24, -1, 1)
    canvas *= (1 + 0.26 * sheen + 0.1 * folds)[..., None]


def things(canvas: Pixels, scene: Scene, sky: Sky, rng: Rng, horizon: float) -> None:
    """Everything named that has a place of its own in a landscape."""
    height, width = canvas.shape[:2]
    for thing in scene.things:
        x, size = width * float(rng.uniform(0.28, 0.72)), min(height, width) * 0.2
        if thing == "boat":
            _boat(canvas, scene, sky, x, horizon + 0.3 * (height - horizon), size)
        elif thing == "house":
            _house(canvas, scene, sky, x, horizon + 0.42 * (height - horizon), size)
        elif thing == "balloon":
            _balloon(canvas, scene, sky, x, horizon * 0.42, size)
        else:
            _birds(canvas, rng, x, horizon * 0.35, size)


def _boat(canvas: Pixels, scene: Scene, sky: Sky, x: float, y: float, s: float) -> None:
    hull, cloth = lit((132, 62, 44), scene, sky) * 1.1, np.clip(lit((250, 246, 236), scene, sky) * 1.1, 0, 252)
    glass = [(x - 0.4 * s, y), (x + 0.45 * s, y), (x + 0.3 * s, y + 0.14 * s), (x - 0.25 * s, y + 0.14 * s)]
    polygon(canvas, glass, hull * 0.35 + np.asarray(sky.haze) * 0.35)
    polygon(
        canvas,
        [(x - s * 0.015, y), (x - s * 0.015, y - 1.25 * s), (x + s * 0.015, y - 1.25 * s), (x + s * 0.015, y)],
        hull * 0.6,
    )
    polygon(canvas, [(x + s * 0.03, y - 1.2 * s), (x + 0.5 * s, y - 0.2 * s), (x + s * 0.03, y - 0.17 * s)], cloth)
    polygon(
        canvas, [(x - s * 0.04, y - 1.1 * s), (x - 0.42 * s, y - 0.2 * s), (x - s * 0.04, y - 0.17 * s)], cloth * 0.86
    )
    polygon(
        canvas,
        [
            (x - 0.48 * s, y - 0.13 * s),
            (x + 0.58 * s, y - 0.15 * s),
            (x + 0.4 * s, y + 0.06 * s),
            (x - 0.33 * s, y + 0.06 * s),
        ],
        hull,
    )


def _house(canvas: Pixels, scene: Scene, sky: Sky, x: float, y: float, s: float) -> None:
    wall, roof = lit((214, 190, 156), scene, sky), lit((140, 62, 50), scene, sky)
    if scene.weather == "snowy":
        roof = lit((236, 240, 248), scene, sky)
    polygon(canvas, [(x - 0.5 * s, y), (x - 0.5 * s, y - 0.5 * s), (x + 0.5 * s, y - 0.5 * s), (x + 0.5 * s, y)], wall)
    polygon(
        canvas,
        [
            (x + 0.24 * s, y - 0.8 * s),
            (x + 0.24 * s, y - 1.1 * s),
            (x + 0.36 * s, y - 1.1 * s),
            (x + 0.36 * s, y - 0.7 * s),
        ],
        roof * 0.7,
    )
    polygon(canvas, [(x - 0.62 * s, y - 0.46 * s), (x, y - 1.0 * s), (x + 0.62 * s, y - 0.46 * s)], roof)
    polygon(
        canvas,
        [(x - 0.1 * s, y), (x - 0.1 * s, y - 0.3 * s), (x + 0.1 * s, y - 0.3 * s), (x + 0.1 * s, y)],
        roof * 0.55 + 20,
    )
    glow = np.array((255, 214, 130), np.float32) * (0.75 if scene.hour == "day" else 1.0)
    for side in (-0.3, 0.3):
        left = x + side * s - 0.08 * s
        polygon(
            canvas,
            [
                (left, y - 0.2 * s),
                (left, y - 0.37 * s),
                (left + 0.16 * s, y - 0.37 * s),
                (left + 0.16 * s, y - 0.2 * s),
            ],
            glow,
        )


def _balloon(canvas: Pixels, scene: Scene, sky: Sky, x: float, y: float, s: float) -> None:
    colours = (scene.tints or PETALS[:2]) + ((246, 238, 224),)
    rows = np.linspace(0, 1, 40)
    half = s * 0.62 * np.sin(pi * rows**0.82) ** 0.62 * (1 - 0.18 * rows)
    gores = 8
    for index in range(gores):
        left, right = (-cos(pi * (index + side) / gores) for side in (0, 1))
        edge = [(x + left * h, y - s * 0.75 + r * s * 1.45) for h, r in zip(half, rows, strict=True)]
        back = [(x + right * h, y - s * 0.75 + r * s * 1.45) for h, r in zip(half, rows, strict=True)]
        shade = 1.12 - 0.4 * index / gores
        polygon(canvas, edge + back[::-1], lit(colours[index % len(colours)], scene, sky) * shade)
    basket = lit((120, 82, 48), scene, sky)
    for side in (-0.09, 0.09):
        polygon(
            canvas,
            [
                (x + side * s, y + 0.62 * s),
                (x + side * s + 1.5, y + 0.62 * s),
                (x + side * s + 1.5, y + 0.85 * s),
                (x + side * s, y + 0.85 * s),
            ],
            basket * 0.6,
        )
    polygon(
        canvas,
        [
            (x - 0.1 * s, y + 0.83 * s),
            (x + 0.1 * s, y + 0.83 * s),
            (x + 0.08 * s, y + 0.98 * s),
            (x - 0.08 * s, y + 0.98 * s),
        ],
        basket,
    )


def _birds(canvas: Pixels, rng: Rng, x: float, y: float, s: float) -> None:
    for _ in range(9):
        at_x, at_y = x + s * float(rng.normal(0, 1.1)), y + s * float(rng.normal(0, 0.45))
        wing = s * float(rng.uniform(0.09, 0.17))
        lift = wing * float(rng.uniform(0.3, 0.7))
        points = [
            (at_x - wing, at_y - lift),
            (at_x - wing * 0.4, at_y - lift * 0.9),
            (at_x, at_y),
            (at_x + wing * 0.4, at_y - lift * 0.9),
            (at_x + wing, at_y - lift),
            (at_x + wing * 0.4, at_y - lift * 0.6),
            (at_x, at_y + lift * 0.35),
            (at_x - wing * 0.4, at_y - lift * 0.6),
        ]
        polygon(canvas, points, np.array((36, 38, 46), np.float32))

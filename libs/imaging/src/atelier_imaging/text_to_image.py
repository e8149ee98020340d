"""Draws the picture of a text prompt: the same words, style and seed give the same pixels."""

from collections.abc import Callable

import cv2
import numpy as np

from atelier_imaging import landscapes as landscapes
from atelier_imaging import motifs, sky
from atelier_imaging.geometry import Pixels, Plane
from atelier_imaging.noise import Rng, generator
from atelier_imaging.pictures import CompositionSpec
from atelier_imaging.prompt_parser import Scene, parse_prompt
from atelier_imaging.styles import apply_style, to_pixels

OCTAVES = 4
FINE_OCTAVES = {"hd": 6, "xhigh": 7, "max": 8}
"""Layers of detail by quality, each half as large as the one before; other qualities have ``OCTAVES``."""
PAINTED_MIN = 2
"""By so much a channel differs where something was painted; less is rounding."""
SUBJECT_SHARE_MIN = 0.002
"""Of the picture, for what is to stand alone."""


def draw_prompt(spec: CompositionSpec) -> Pixels:
    """(height, width, 3) sRGB of the spec's size."""
    rng = generator("image", spec.prompt, spec.seed)
    scene = parse_prompt(spec.prompt, rng)
    drawn = _draw_scene(scene, rng, spec.height, spec.width, FINE_OCTAVES.get(spec.quality, OCTAVES))
    return apply_style(drawn, spec.style, rng, fine=spec.quality in FINE_OCTAVES)


def draw_subject(spec: CompositionSpec) -> Pixels | None:
    """(height, width, 4): what the scene of the prompt shows before its background, the rest transparent. The things of
    the prompt before the land, else the land before the sky, else the planet; None where there is none of them."""
    rng = generator("image", spec.prompt, spec.seed)
    scene = parse_prompt(spec.prompt, rng)
    octaves = FINE_OCTAVES.get(spec.quality, OCTAVES)
    if "abstract" in scene.lands:
        return None
    layers = _layers_of_space if "space" in scene.lands else _layers_of_land
    *behind, drawn = map(to_pixels, layers(scene, rng, spec.height, spec.width, octaves))
    alphas = (_alpha_before(drawn, background) for background in reversed(behind))
    alpha = next((alpha for alpha in alphas if SUBJECT_SHARE_MIN < (alpha > 0).mean() < 1), None)
    if alpha is None:
        return None
    return np.dstack([apply_style(drawn, spec.style, rng, fine=spec.quality in FINE_OCTAVES), alpha])


def _alpha_before(drawn: Pixels, background: Pixels) -> Pixels:
    """Opaque where something was painted over the background, with edges a pixel soft."""
    painted = np.abs(drawn.astype(np.int16) - background).max(axis=2) > PAINTED_MIN
    return np.asarray(cv2.GaussianBlur(painted.astype(np.uint8) * 255, (3, 3), 0), np.uint8)


def _layers_of_space(scene: Scene, rng: Rng, height: int, width: int, octaves: int) -> list[Plane]:
    above = _deep_sky(scene, rng, height, width, octaves)
    colours = motifs.nebula(above.canvas, scene, rng, octaves)
    bare = above.canvas.copy()
    motifs.globe(above.canvas, colours, rng, octaves)
    return [bare, above.canvas]


def _layers_of_land(scene: Scene, rng: Rng, height: int, width: int, octaves: int) -> list[Plane]:
    """The sky, the land before it, and the things before both; no weather."""
    horizon, above = _sky_of(scene, rng, height, width, octaves)
    bare = above.canvas.copy()
    canvas = _paint_lands(scene, above, rng, horizon, octaves)
    land = canvas.copy()
    return [bare, land, _on_pixels(canvas, lambda drawing: _draw_objects(drawing, scene, above, rng, horizon, octaves))]


def _draw_scene(scene: Scene, rng: Rng, height: int, width: int, octaves: int) -> Pixels:
    if "abstract" in scene.lands:
        canvas = np.zeros((height, width, 3), np.float32)
        motifs.flow(canvas, scene, rng, octaves)
        return to_pixels(canvas)
    if "space" in scene.lands:
        above = _deep_sky(scene, rng, height, width, octaves)
        motifs.planet(above.canvas, scene, rng, octaves)
        return to_pixels(above.canvas)
    return _landscape(scene, rng, height, width, octaves)


def _landscape(scene: Scene, rng: Rng, height: int, width: int, octaves: int) -> Pixels:
    """Sky, then everything that lies under it, from far to near."""
    horizon, above = _sky_of(scene, rng, height, width, octaves)
    canvas = _paint_lands(scene, above, rng, horizon, octaves)
    if scene.weather == "foggy":
        sky.mist(canvas, above.haze, rng, horizon, height * 0.22, 0.95)
    canvas = _on_pixels(canvas, lambda drawing: _draw_objects(drawing, scene, above, rng, horizon, octaves))
    if scene.weather == "foggy":
        sky.mist(canvas, above.haze, rng, horizon + height * 0.08, height * 0.16, 0.8)
    if scene.weather == "snowy":
        sky.paint_snow(canvas, rng)
    return to_pixels(canvas)


def _deep_sky(scene: Scene, rng: Rng, height: int, width: int, octaves: int) -> sky.Sky:
    deep = Scene(scene.lands, "night", "clear", scene.things, ())
    above = sky.paint_sky(deep, rng, height, width, height * 3.0, octaves)
    above.canvas[:] *= 0.4
    return above


def _sky_of(scene: Scene, rng: Rng, height: int, width: int, octaves: int) -> tuple[float, sky.Sky]:
    horizon = height * float(rng.uniform(0.5, 0.6))
    return horizon, sky.paint_sky(scene, rng, height, width, horizon, octaves)


def _paint_lands(scene: Scene, above: sky.Sky, rng: Rng, horizon: float, octaves: int) -> Plane:
    """What lies under the sky, from far to near, over it."""
    canvas = above.canvas
    lands = set(scene.lands)
    if "mountains" in lands:
        landscapes.ridges(canvas, scene, above, rng, horizon, octaves)
    if "city" in lands:
        canvas = _on_pixels(canvas, lambda drawing: motifs.town(drawing, scene, above, rng, horizon))
    if lands & {"sea"} or lands == {"city"}:
        landscapes.water(canvas, scene, above, rng, horizon, octaves)
    elif "desert" in lands:
        landscapes.dunes(canvas, scene, above, rng, horizon)
    else:
        landscapes.ground(canvas, scene, above, rng, horizon, (94, 128, 66), octaves)
    return canvas


def _draw_objects(canvas: Pixels, scene: Scene, above: sky.Sky, rng: Rng, horizon: float, octaves: int) -> None:
    motifs.things(canvas, scene, above, rng, horizon)
    if "forest" in scene.lands:
        landscapes.firs(canvas, scene, above, rng, horizon, octaves)
    if "flowers" in scene.lands:
        motifs.flowers(canvas, scene, above, rng, horizon, octaves)


def _on_pixels(canvas: Plane, draw: Callable[[Pixels], None]) -> Plane:
    """Polygons are drawn on bytes; the painting goes on in floats."""
    drawing = np.ascontiguousarray(to_pixels(canvas))
    draw(drawing)
    return np.asarray(drawing, np.float32)

"""Draws the picture of a text prompt: the same words, style and seed give the same pixels."""

from collections.abc import Callable

import numpy as np

from atelier_imaging import landscapes as landscapes
from atelier_imaging import motifs, sky
from atelier_imaging.geometry import Pixels, Plane
from atelier_imaging.noise import Rng, generator
from atelier_imaging.pictures import CompositionSpec
from atelier_imaging.prompt_parser import Scene, parse_prompt
from atelier_imaging.styles import apply_style, to_pixels

OCTAVES, OCTAVES_FINE = 4, 6


def draw_prompt(spec: CompositionSpec) -> Pixels:
    """(height, width, 3) sRGB of the spec's size."""
    rng = generator("image", spec.prompt, spec.seed)
    scene = parse_prompt(spec.prompt, rng)
    fine = spec.quality == "hd"
    drawn = _draw_scene(scene, rng, spec.height, spec.width, OCTAVES_FINE if fine else OCTAVES)
    return apply_style(drawn, spec.style, rng, fine=fine)


def _draw_scene(scene: Scene, rng: Rng, height: int, width: int, octaves: int) -> Pixels:
    if "abstract" in scene.lands:
        canvas = np.zeros((height, width, 3), np.float32)
        motifs.flow(canvas, scene, rng, octaves)
        return to_pixels(canvas)
    if "space" in scene.lands:
        deep = Scene(scene.lands, "night", "clear", scene.things, ())
        above = sky.paint_sky(deep, rng, height, width, height * 3.0, octaves)
        above.canvas[:] *= 0.4
        motifs.planet(above.canvas, scene, rng, octaves)
        return to_pixels(above.canvas)
    return _landscape(scene, rng, height, width, octaves)


def _landscape(scene: Scene, rng: Rng, height: int, width: int, octaves: int) -> Pixels:
    """Sky, then everything that lies under it, from far to near."""
    horizon = height * float(rng.uniform(0.5, 0.6))
    above = sky.paint_sky(scene, rng, height, width, horizon, octaves)
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
    if scene.weather == "foggy":
        sky.mist(canvas, above.haze, rng, horizon, height * 0.22, 0.95)
    canvas = _on_pixels(canvas, lambda drawing: _draw_objects(drawing, scene, above, rng, horizon, octaves))
    if scene.weather == "foggy":
        sky.mist(canvas, above.haze, rng, horizon + height * 0.08, height * 0.16, 0.8)
    if scene.weather == "snowy":
        sky.paint_snow(canvas, rng)
    return to_pixels(canvas)


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

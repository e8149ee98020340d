"""The picture of a text prompt, drawn by rule and chance: the same words, style and seed give the same pixels."""

from collections.abc import Callable

import numpy as np

from atelier_imaging import landscapes as land
from atelier_imaging import motifs, sky
from atelier_imaging.geometry import Pixels, Plane
from atelier_imaging.noise import Rng, generator
from atelier_imaging.pictures import Order
from atelier_imaging.prompt_parser import Brief, read
from atelier_imaging.styles import finished, pixels

OCTAVES, OCTAVES_FINE = 4, 6


def imagined(order: Order) -> Pixels:
    """(height, width, 3) sRGB of the order's size."""
    rng = generator("image", order.prompt, order.seed)
    brief = read(order.prompt, rng)
    fine = order.quality == "hd"
    drawn = _drawn(brief, rng, order.height, order.width, OCTAVES_FINE if fine else OCTAVES)
    return finished(drawn, order.style, rng, fine=fine)


def _drawn(brief: Brief, rng: Rng, height: int, width: int, octaves: int) -> Pixels:
    if "abstract" in brief.lands:
        canvas = np.zeros((height, width, 3), np.float32)
        motifs.flow(canvas, brief, rng, octaves)
        return pixels(canvas)
    if "space" in brief.lands:
        deep = Brief(brief.lands, "night", "clear", brief.things, ())
        above = sky.painted_sky(deep, rng, height, width, height * 3.0, octaves)
        above.canvas[:] *= 0.4
        motifs.planet(above.canvas, brief, rng, octaves)
        return pixels(above.canvas)
    return _landscape(brief, rng, height, width, octaves)


def _landscape(brief: Brief, rng: Rng, height: int, width: int, octaves: int) -> Pixels:
    """Sky, then everything that lies under it, from far to near."""
    horizon = height * float(rng.uniform(0.5, 0.6))
    above = sky.painted_sky(brief, rng, height, width, horizon, octaves)
    canvas = above.canvas
    lands = set(brief.lands)
    if "mountains" in lands:
        land.ridges(canvas, brief, above, rng, horizon, octaves)
    if "city" in lands:
        canvas = _on_pixels(canvas, lambda drawing: motifs.town(drawing, brief, above, rng, horizon))
    if lands & {"sea"} or lands == {"city"}:
        land.water(canvas, brief, above, rng, horizon, octaves)
    elif "desert" in lands:
        land.dunes(canvas, brief, above, rng, horizon)
    else:
        land.ground(canvas, brief, above, rng, horizon, (94, 128, 66), octaves)
    if brief.weather == "foggy":
        sky.mist(canvas, above.haze, rng, horizon, height * 0.22, 0.95)
    canvas = _on_pixels(canvas, lambda drawing: _standing(drawing, brief, above, rng, horizon, octaves))
    if brief.weather == "foggy":
        sky.mist(canvas, above.haze, rng, horizon + height * 0.08, height * 0.16, 0.8)
    if brief.weather == "snowy":
        sky.falling_snow(canvas, rng)
    return pixels(canvas)


def _standing(canvas: Pixels, brief: Brief, above: sky.Sky, rng: Rng, horizon: float, octaves: int) -> None:
    motifs.things(canvas, brief, above, rng, horizon)
    if "forest" in brief.lands:
        land.firs(canvas, brief, above, rng, horizon, octaves)
    if "flowers" in brief.lands:
        motifs.flowers(canvas, brief, above, rng, horizon, octaves)


def _on_pixels(canvas: Plane, draw: Callable[[Pixels], None]) -> Plane:
    """Polygons are drawn on bytes; the painting goes on in floats."""
    drawing = np.ascontiguousarray(pixels(canvas))
    draw(drawing)
    return np.asarray(drawing, np.float32)

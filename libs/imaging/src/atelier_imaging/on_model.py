"""Product photographs worn by a drawn mannequin of the catalogue, in front of one of its backgrounds."""

import cv2
import numpy as np

from atelier_contracts.catalogue import BACKGROUNDS, MANNEQUINS
from atelier_imaging.backdrops import paint_room
from atelier_imaging.cut_outs import Product, cut_product, place, shade
from atelier_imaging.decoder import Photo
from atelier_imaging.drape import drape
from atelier_imaging.geometry import Pixels, Plane, blur
from atelier_imaging.mannequin import HEADS, Figure, draw_mannequin
from atelier_imaging.noise import Rng, generator
from atelier_imaging.pictures import CompositionSpec
from atelier_imaging.prompt_parser import parse_prompt
from atelier_imaging.styles import photographic, sharpen, to_pixels
from atelier_imaging.try_on import OPEN_SHARE, fit_of

DEFAULT_MANNEQUIN, DEFAULT_BACKGROUND = "123", "456"
FIGURE_SHARE = 0.86
"""Of the picture's height, an average figure's."""
TALLEST = 1.1


def on_model(photos: list[Photo], spec: CompositionSpec) -> Pixels:
    """(height, width, 3) sRGB of the spec's size: garments are worn, everything else stands beside the figure."""
    rng = generator("on_model", spec.prompt, spec.style, spec.mannequin, spec.background, spec.seed)
    products = [cut_product(photo) for photo in photos]
    garments = [product.garment for product in products if product.garment]
    lower = [garment for garment in garments if garment.zone == "lower"]
    upper = [garment for garment in garments if garment.zone == "upper"]
    figure = _figure(spec, rng, (not upper, not lower))
    canvas = figure.canvas
    for garment in lower:
        canvas = drape(canvas, figure.canvas, figure.body, garment, fit_of(rng, 0))
    for layer, garment in enumerate(upper):
        canvas = drape(canvas, figure.canvas, figure.body, garment, fit_of(rng, 1 - (1 - OPEN_SHARE) ** layer))
    canvas = _beside(canvas, [product for product in products if product.garment is None], figure)
    return _finish(canvas, spec, rng)


def _figure(spec: CompositionSpec, rng: Rng, plain: tuple[bool, bool]) -> Figure:
    height, width = spec.height, spec.width
    who = MANNEQUINS[spec.mannequin or DEFAULT_MANNEQUIN]
    wall = paint_room(BACKGROUNDS[spec.background or DEFAULT_BACKGROUND], rng, (height, width))
    head = min(height * FIGURE_SHARE, width * 1.3) / HEADS / TALLEST * 1.06
    axis_x, sole_y = width * float(rng.uniform(0.485, 0.515)), height * 0.955
    empty = draw_mannequin(to_pixels(wall), who, head_px=head, axis_x=axis_x, sole_y=sole_y, dressed=plain)
    _floor_shadow(wall, empty)
    return draw_mannequin(to_pixels(wall), who, head_px=head, axis_x=axis_x, sole_y=sole_y, dressed=plain)


def _floor_shadow(wall: Plane, figure: Figure) -> None:
    """The figure's shadow: fallen on the floor, soft on the wall, dark under the soles."""
    height, width = wall.shape[:2]
    foot = figure.sole_y
    fallen = np.array([[1, -0.5, 0.5 * foot], [0, 0.1, foot * 0.9 - 0.004 * height]], np.float32)
    cast = np.asarray(cv2.warpAffine(figure.silhouette, fallen, (width, height)), np.float32)
    shade(wall, blur(cast, 0.012 * width), 0.38)
    behind = np.roll(figure.silhouette, int(0.045 * width), axis=1)
    behind[int(height * 0.9) :] = 0
    shade(wall, blur(np.asarray(behind, np.float32), 0.04 * width), 0.16)
    soles = figure.silhouette.copy()
    soles[: int(foot - 0.015 * height)] = 0
    shade(wall, blur(soles, 0.008 * width), 0.7)


def _beside(canvas: Pixels, prints: list[Product], figure: Figure) -> Pixels:
    """Photographs that nothing could be cut from hang on the wall as framed prints, left and right of the figure."""
    if not prints:
        return canvas
    painted = canvas.astype(np.float32)
    height, width = canvas.shape[:2]
    for index, product in enumerate(prints):
        right = index % 2 == 0
        wide = width * 0.2
        tall = min(wide / product.aspect, height * 0.2)
        x = width * (0.86 if right else 0.14)
        bottom = height * (0.12 + 0.16 * (index // 2)) + tall
        thing = place(product, (height, width), middle_x=x, bottom=bottom, height=tall)
        free = np.asarray(thing.alpha * (1 - figure.silhouette), np.float32)
        shade(painted, blur(np.roll(free, int(0.008 * height), axis=0), 0.008 * width), 0.4)
        painted += (thing.rgb - painted) * free[..., None]
    return to_pixels(painted)


def _finish(rgb: Pixels, spec: CompositionSpec, rng: Rng) -> Pixels:
    """A colour named in the prompt lights the room a little; then what a camera does."""
    tints = parse_prompt(spec.prompt, rng).tints
    if tints:
        rgb = to_pixels(np.asarray(rgb * 0.92 + np.array(tints[0], np.float32) * 0.08, np.float32))
    shot = photographic(rgb, rng)
    return sharpen(shot, 0.4) if spec.quality in ("", "high") else shot

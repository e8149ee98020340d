"""Products laid flat on a background of the catalogue and photographed from above, under one soft lamp."""

from math import ceil, sqrt

import numpy as np

from atelier_contracts.catalogue import BACKGROUNDS
from atelier_imaging.backdrops import paint_surface
from atelier_imaging.cut_outs import Product, cut_product, paint_over, place, shade
from atelier_imaging.decoder import Photo
from atelier_imaging.geometry import Pixels, Plane, blur
from atelier_imaging.noise import Rng, generator
from atelier_imaging.pictures import CompositionSpec
from atelier_imaging.prompt_parser import parse_prompt
from atelier_imaging.styles import photographic, sharpen, to_pixels

DEFAULT_BACKGROUND = "460"
FILL = 0.8
"""Of its cell, what a product may take."""
TURN_RAD = 0.14


def flat_lay(photos: list[Photo], spec: CompositionSpec) -> Pixels:
    """(height, width, 3) sRGB of the spec's size."""
    rng = generator("flat_lay", spec.prompt, spec.style, spec.background, spec.seed)
    ground = BACKGROUNDS[spec.background or DEFAULT_BACKGROUND]
    canvas = paint_surface(ground, rng, (spec.height, spec.width))
    products = [cut_product(photo) for photo in photos]
    for product, (x, y, across, down) in zip(products, _cells(len(products), spec), strict=True):
        _lay(canvas, product, rng, (x, y, across, down))
    _lamp(canvas, rng)
    tints = parse_prompt(spec.prompt, rng).tints
    if tints:
        canvas += (np.array(tints[0], np.float32) - canvas) * np.float32(0.08)
    shot = photographic(to_pixels(canvas), rng)
    return sharpen(shot, 0.4) if spec.quality in ("", "high") else shot


def _cells(count: int, spec: CompositionSpec) -> list[tuple[float, float, float, float]]:
    """Middle and size of a cell for each product, row by row; the last row is centred."""
    columns = max(1, min(count, round(sqrt(count * spec.width / spec.height))))
    rows = ceil(count / columns)
    across, down = spec.width * 0.94 / columns, spec.height * 0.94 / rows
    cells = []
    for index in range(count):
        row, column = divmod(index, columns)
        in_row = min(columns, count - row * columns)
        x = spec.width / 2 + (column - (in_row - 1) / 2) * across
        cells.append((x, spec.height * 0.03 + (row + 0.5) * down, across, down))
    return cells


def _lay(canvas: Plane, product: Product, rng: Rng, cell: tuple[float, float, float, float]) -> None:
    x, y, across, down = cell
    turn = float(rng.uniform(-TURN_RAD, TURN_RAD))
    # Turned by a little, a thing takes a little more room.
    space = 1 + abs(turn) * 0.6
    height = min(down, across / product.aspect) * FILL / space
    x += float(rng.normal(0, 0.015)) * across
    y += float(rng.normal(0, 0.015)) * down
    thing = place(product, canvas.shape[:2], middle_x=x, bottom=y + height / 2, height=height, turn_rad=turn)
    side = min(canvas.shape[:2])
    for offset, soft, strength in ((0.016, 0.02, 0.4), (0.005, 0.005, 0.42)):
        fallen = np.roll(thing.alpha, (int(offset * side), int(offset * side * 0.8)), (0, 1))
        shade(canvas, blur(np.asarray(fallen, np.float32), soft * side), strength)
    paint_over(canvas, thing, light=float(rng.normal(1.0, 0.012)))


def _lamp(canvas: Plane, rng: Rng) -> None:
    """Brighter towards the upper left, where the shadows come from."""
    rows, columns = np.mgrid[0 : canvas.shape[0], 0 : canvas.shape[1]].astype(np.float32)
    fall = rows / canvas.shape[0] + columns / canvas.shape[1]
    canvas *= (1.05 - 0.09 * fall * float(rng.uniform(0.8, 1.2)))[..., None]

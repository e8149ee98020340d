"""Products on a generated set, with shadow and reflection to hold them there; or worn, where people are given."""

import cv2
import numpy as np

from atelier_imaging.cut_outs import PlacedProduct, Product, cut_product, paint_over, place, shade
from atelier_imaging.decoder import Photo
from atelier_imaging.geometry import Pixels, Plane, blur, smoothstep
from atelier_imaging.noise import Rng, generator
from atelier_imaging.photo_sets import Stage, build_stage
from atelier_imaging.pictures import CompositionSpec
from atelier_imaging.prompt_parser import parse_prompt
from atelier_imaging.styles import painterly, photographic, sharpen, to_pixels
from atelier_imaging.try_on import try_on

GAP_SHARE = 0.05
ROOM_SHARE = 0.84
"""Of the width, what the products may take together."""


def product_shot(products: list[Photo], people: list[Photo], spec: CompositionSpec) -> Pixels:
    """(height, width, 3) sRGB of the spec's size."""
    rng = generator("product_shot", spec.prompt, spec.style, spec.seed)
    tints = parse_prompt(spec.prompt, rng).tints
    accent = np.array(tints[0], np.float32) if tints else None
    if people:
        shot = _dress_people(products, people, spec)
    else:
        cuts = [cut_product(photo) for photo in products]
        colour = np.asarray(np.mean([cut.colour for cut in cuts], axis=0), np.float32)
        set_ = build_stage(spec.style, rng, (spec.height, spec.width), colour, accent, wide=len(cuts) > 1)
        shot = to_pixels(_arrange(set_, cuts, rng))
    return _grade(shot, spec, rng, accent if people else None)


def _arrange(set_: Stage, products: list[Product], rng: Rng) -> Plane:
    """The first product in the middle, the others beside it in turn, behind it and a little smaller."""
    canvas = set_.canvas
    height, width = canvas.shape[:2]
    middle_out = sorted(range(len(products)), key=lambda index: (index % 2 * 2 - 1) * (index + 1) // 2)
    sizes = [1.0 if index == 0 else 0.84 for index in range(len(products))]
    room = width * ROOM_SHARE * (1 - GAP_SHARE * (len(products) - 1))
    tall = min(set_.tall, room / sum(product.aspect * size for product, size in zip(products, sizes, strict=True)))
    taken = sum(products[index].aspect * sizes[index] * tall for index in middle_out)
    gap = width * ROOM_SHARE * GAP_SHARE
    x = (width - taken - gap * (len(products) - 1)) / 2
    spots = {}
    for index in middle_out:
        across = products[index].aspect * sizes[index] * tall
        spots[index] = x + across / 2
        x += across + gap
    for index in reversed(range(len(products))):
        foot = set_.foot_y - (0.0 if index == 0 else 0.018 * height)
        lift = 0.05 * height if products[index].hangs else 0.0
        thing = place(
            products[index],
            (height, width),
            middle_x=spots[index] + float(rng.normal(0, 0.002)) * width,
            bottom=foot - lift,
            height=tall * sizes[index],
            turn_rad=float(rng.normal(0, 0.006)),
        )
        _cast(canvas, thing, set_, foot, lifted=products[index].hangs)
        paint_over(canvas, thing, light=float(rng.normal(1.0, 0.01)))
    return canvas


def _cast(canvas: Plane, thing: PlacedProduct, set_: Stage, foot: float, *, lifted: bool) -> None:
    """The shadow on the floor, darkest where the product touches it, and its reflection in what is polished."""
    height, width = canvas.shape[:2]
    if set_.reflection and not lifted:
        _mirror(canvas, thing, foot, set_.reflection)
    squashed = np.array([[1, -0.45, 0.45 * foot + 0.01 * width], [0, 0.22, foot * 0.78]], np.float32)
    fallen = np.asarray(cv2.warpAffine(thing.alpha, squashed, (width, height)), np.float32)
    shade(canvas, blur(fallen, set_.shadow_soft * width * 0.5), set_.shadow * (0.45 if lifted else 0.62))
    feet = thing.alpha.copy()
    feet[: int(foot - 0.03 * height)] = 0
    if lifted:
        beside = np.roll(thing.alpha, (int(0.012 * height), int(0.018 * width)), (0, 1))
        shade(canvas, blur(np.asarray(beside, np.float32), 0.014 * width), set_.shadow * 0.6)
    elif feet.any():
        flat = np.array([[1, 0, 0], [0, 0.5, foot * 0.5 + 0.008 * height]], np.float32)
        touch = np.asarray(cv2.warpAffine(feet, flat, (width, height)), np.float32)
        shade(canvas, blur(touch, 0.006 * width), min(1.0, set_.shadow * 1.35))


def _mirror(canvas: Plane, thing: PlacedProduct, foot: float, share: float) -> None:
    height, width = canvas.shape[:2]
    down = np.array([[1, 0, 0], [0, -1, 2 * foot]], np.float32)
    rgb = cv2.warpAffine(thing.rgb, down, (width, height))
    alpha = np.asarray(cv2.warpAffine(thing.alpha, down, (width, height)), np.float32)
    fade = 1 - smoothstep(np.arange(height, dtype=np.float32)[:, None], foot, foot + 0.16 * height)
    soft = blur(alpha, 0.003 * width) * fade * share
    canvas += (rgb - canvas) * soft[..., None]


def _dress_people(products: list[Photo], people: list[Photo], spec: CompositionSpec) -> Pixels:
    """Each person in all the products, side by side."""
    edges = np.linspace(0, spec.width, len(people) + 1).round().astype(int)
    panels = [
        cover_size(try_on(person, products, seed=spec.seed + index), right - left, spec.height)
        for index, (person, left, right) in enumerate(zip(people, edges, edges[1:], strict=False))
    ]
    return np.hstack(panels)


def cover_size(rgb: Pixels, width: int, height: int, *, from_top: float = 0.25) -> Pixels:
    """The picture scaled until it covers the size, and cropped to it; of the surplus height ``from_top`` goes above."""
    scale = max(width / rgb.shape[1], height / rgb.shape[0])
    size = (max(width, round(rgb.shape[1] * scale)), max(height, round(rgb.shape[0] * scale)))
    at_scale = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    top, left = int((size[1] - height) * from_top), (size[0] - width) // 2
    return np.ascontiguousarray(at_scale[top : top + height, left : left + width], np.uint8)


def _grade(rgb: Pixels, spec: CompositionSpec, rng: Rng, accent: Plane | None) -> Pixels:
    """What the style does to a photograph as such, and how crisp the quality leaves it."""
    if accent is not None:
        rgb = to_pixels(np.asarray(rgb * 0.94 + accent * 0.06, np.float32))
    if spec.style == "minimal":
        rgb = to_pixels(np.asarray(rgb * 0.95 + 12.0, np.float32))
    elif spec.style == "artistic":
        rgb = np.asarray(cv2.addWeighted(rgb, 0.55, painterly(rgb, rng, fine=True), 0.45, 0), np.uint8)
    else:
        rgb = photographic(rgb, rng)
    share = {"high": 0.35, "ultra": 0.7}.get(spec.quality, 0.0)
    return sharpen(rgb, share) if share else rgb

"""Edits and variations: a picture repainted where a mask says so, relit as a prompt says, or turned into a relative."""

from dataclasses import replace

import cv2
import numpy as np

from atelier_imaging.cut_outs import cut_product, paint_over, place, shade
from atelier_imaging.decoder import Photo
from atelier_imaging.geometry import Pixels, Plane, Region, blur, fit_within
from atelier_imaging.mask import is_marked, plane_like
from atelier_imaging.noise import Rng, fractal, generator
from atelier_imaging.pictures import CompositionSpec
from atelier_imaging.product_shot import cover_size
from atelier_imaging.prompt_parser import parse_prompt
from atelier_imaging.styles import apply_style, to_pixels
from atelier_imaging.text_to_image import FINE_OCTAVES, draw_prompt

SIDE_MAX_PX = 1536
SEAM_PX = 3.0
RELIGHT = 0.5
"""How far the colours of an edit without a mask move towards those of the prompt's own picture."""


def edit_image(photos: list[Photo], mask: Photo | None, spec: CompositionSpec) -> Pixels:
    """The first photograph changed as the prompt says, with the things of the others put into it.

    Repainted is what the mask leaves transparent (of an opaque mask, what is light), else what the photograph itself
    leaves transparent; everything else keeps its pixels. Without either the whole picture is relit.
    """
    rng = generator("edit", spec.prompt, spec.style, spec.quality, spec.seed)
    picture = _fit_to_spec(photos[0].rgb, spec)
    region = _region(photos[0], mask, spec)
    if region is not None and not region.any():
        return picture
    if region is None:
        return _add_things(_match_light(picture, spec, rng), photos[1:], None)
    return _add_things(_repaint(picture, region, spec), photos[1:], region)


def vary_image(photos: list[Photo], spec: CompositionSpec) -> Pixels:
    """Another picture of the same matter: seen from a little aside, bent, in another light."""
    rng = generator("variation", spec.style, spec.quality, spec.seed)
    picture = _fit_to_spec(photos[0].rgb, spec)
    height, width = picture.shape[:2]
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    zoom = float(rng.uniform(0.78, 0.9))
    bend = 0.05 * max(height, width)
    x = width / 2 + (columns - width / 2) * zoom + float(rng.uniform(-0.05, 0.05)) * width
    y = height / 2 + (rows - height / 2) * zoom + float(rng.uniform(-0.05, 0.05)) * height
    x += bend * (fractal(rng, (height, width), width * 0.7, octaves=2) - 0.5)
    y += bend * (fractal(rng, (height, width), width * 0.7, octaves=2) - 0.5)
    if rng.random() < 0.5:
        x = width - 1 - x
    moved = cv2.remap(picture, np.asarray(x), np.asarray(y), cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
    tone = cv2.cvtColor(moved, cv2.COLOR_RGB2LAB).astype(np.float32)
    warm, green = float(rng.uniform(5, 11)) * float(rng.choice((-1, 1))), float(rng.uniform(-5, 5))
    lamp = fractal(rng, (height, width), width * 0.9, octaves=1) - 0.5
    tone += np.dstack([26 * lamp, np.full_like(lamp, green), np.full_like(lamp, warm)])
    lit = np.asarray(cv2.cvtColor(to_pixels(tone), cv2.COLOR_LAB2RGB), np.uint8)
    return _add_things(apply_style(lit, spec.style, rng, fine=spec.quality in FINE_OCTAVES), photos[1:], None)


def _fit_to_spec(rgb: Pixels, spec: CompositionSpec) -> Pixels:
    """In the spec's size, cropped about the middle; in its own size where the spec has none."""
    if not spec.width:
        return fit_within(rgb, SIDE_MAX_PX)
    if rgb.shape[:2] == (spec.height, spec.width):
        return rgb
    return cover_size(rgb, spec.width, spec.height, from_top=0.5)


def _region(photo: Photo, mask: Photo | None, spec: CompositionSpec) -> Region | None:
    """What is to be repainted; None where nothing says so."""
    if mask is None and (photo.alpha is None or (photo.alpha == 255).all()):
        return None
    height, width = photo.straight.shape[:2]
    plane = plane_like(mask or photo, width, height)
    return is_marked(_fit_to_spec(np.dstack([plane] * 3), spec)[..., 0])


def _repaint(picture: Pixels, region: Region, spec: CompositionSpec) -> Pixels:
    """The prompt's picture inside the region, in the light of what surrounds it."""
    top, bottom, left, right = _bounds(region)
    height, width = picture.shape[:2]
    whole = draw_prompt(replace(spec, width=width, height=height))
    # The prompt's picture is scaled to the region, not cropped by it.
    inside = cover_size(whole, right - left, bottom - top, from_top=0.5).astype(np.float32)
    near = cv2.dilate(region.astype(np.uint8), np.ones((3, 3), np.uint8), iterations=max(4, width // 60)) > 0
    around = picture[near & ~region]
    if around.size:
        inside += 0.25 * (around.mean(axis=0) - inside.mean(axis=(0, 1)))
    painted = picture.astype(np.float32)
    # The seam lies inside the region: outside of it not one value changes.
    depth = cv2.distanceTransform(np.pad(region, 1).astype(np.uint8), cv2.DIST_L2, 5)[1:-1, 1:-1]
    share = np.clip(depth / SEAM_PX, 0, 1)[top:bottom, left:right, None]
    painted[top:bottom, left:right] += (inside - painted[top:bottom, left:right]) * share
    return np.where(region[..., None], to_pixels(painted), picture)


def _bounds(region: Region) -> tuple[int, int, int, int]:
    rows, columns = np.flatnonzero(region.any(axis=1)), np.flatnonzero(region.any(axis=0))
    return int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1


def _match_light(picture: Pixels, spec: CompositionSpec, rng: Rng) -> Pixels:
    """The picture with the colours and the light that the prompt's own picture has, in the requested style."""
    height, width = picture.shape[:2]
    scene = draw_prompt(replace(spec, width=min(width, 512), height=min(height, 512), quality=""))
    source, target = (cv2.cvtColor(image, cv2.COLOR_RGB2LAB).astype(np.float32) for image in (picture, scene))
    share = np.array((0.35, RELIGHT, RELIGHT), np.float32)
    spread = np.clip(target.std(axis=(0, 1)) / np.maximum(source.std(axis=(0, 1)), 1), 0.75, 1.35)
    moved = (source - source.mean(axis=(0, 1))) * (1 + share * (spread - 1))
    moved += source.mean(axis=(0, 1)) * (1 - share) + target.mean(axis=(0, 1)) * share
    relit = cv2.cvtColor(to_pixels(moved), cv2.COLOR_LAB2RGB).astype(np.float32)
    tints = parse_prompt(spec.prompt, rng).tints
    if tints:
        relit += (np.array(tints[0], np.float32) * (relit.mean(axis=2, keepdims=True) / 150) - relit) * np.float32(0.35)
    return apply_style(to_pixels(relit), spec.style, rng, fine=spec.quality in FINE_OCTAVES)


def _add_things(picture: Pixels, photos: list[Photo], region: Region | None) -> Pixels:
    """What further photographs show, cut out and put side by side into the region, else along the lower edge."""
    if not photos:
        return picture
    height, width = picture.shape[:2]
    top, bottom, left, right = (int(height * 0.5), int(height * 0.97), 0, width) if region is None else _bounds(region)
    painted: Plane = picture.astype(np.float32)
    across = (right - left) / len(photos)
    for index, photo in enumerate(photos):
        product = cut_product(photo)
        tall = min((bottom - top) * 0.9, across * 0.86 / product.aspect)
        middle_x = left + (index + 0.5) * across
        foot = bottom - 0.04 * (bottom - top)
        thing = place(product, (height, width), middle_x=middle_x, bottom=foot, height=tall)
        shade(painted, blur(np.roll(thing.alpha, max(1, int(tall * 0.02)), axis=0), max(1.0, tall * 0.02)), 0.4)
        paint_over(painted, thing)
    put = to_pixels(painted)
    return put if region is None else np.where(region[..., None], put, picture)

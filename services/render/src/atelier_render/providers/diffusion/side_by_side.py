"""A try-on by inpainting: a garment's photograph on the left of one canvas, the person's on the right, of which only
the garment's region is painted. Everything else of the person's photograph keeps its pixels exactly.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image, ImageOps

from atelier_imaging.decoder import Photo, normalise
from atelier_imaging.encoder import LONG_SIDE_MAX
from atelier_imaging.garment_mask import mask_garments
from atelier_imaging.geometry import Pixels, Plane
from atelier_imaging.pictures import ImageRefused
from atelier_render.providers.diffusion.wire import Item, Recipe, Rejected

MARGIN = 0.25
"""Of the longer side of a garment's region, how much is shown all round it."""
WHITE = (255, 255, 255)


@dataclass(frozen=True, slots=True)
class Window:
    """The part of a photograph that the model sees, in its pixels; it may reach beyond the photograph's edges."""

    left: int
    top: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Fitting:
    """One garment's photograph, and where it goes on the person's: ``mask`` (height, width), 0..1."""

    garment: Image.Image
    mask: Plane
    window: Window


@dataclass(frozen=True, slots=True)
class Wardrobe:
    """A person's photograph (height, width, 3), and what is put on, in order."""

    person: Pixels
    fittings: tuple[Fitting, ...]


def open_wardrobe(recipe: Recipe, item: Item) -> Wardrobe | Rejected:
    """Decodes the photographs and finds where each garment goes, or says in words why that cannot be."""
    assert item.picture is not None, "a try-on has a person"
    cv2.setNumThreads(1)  # sums in another order would be other masks
    person = normalise(item.picture, side_max_px=LONG_SIDE_MAX)
    if isinstance(person, ImageRefused):
        return Rejected("invalid_input", f"Person photo: {person.message}")
    garments: list[Photo] = []
    for number, data in enumerate(item.garments, 1):
        garment = normalise(data, side_max_px=LONG_SIDE_MAX)
        if isinstance(garment, ImageRefused):
            return Rejected("invalid_input", f"Garment photo {number}: {garment.message}")
        garments.append(garment)
    masks = mask_garments(person.rgb, garments)
    if isinstance(masks, ImageRefused):
        return Rejected("invalid_input", f"Person photo: {masks.message}")
    size = recipe.width, recipe.height
    fittings = (
        Fitting(Image.fromarray(garments[mask.garment].rgb), mask.plane, _window(mask.plane, size)) for mask in masks
    )
    return Wardrobe(person.rgb, tuple(fittings))


def pair(recipe: Recipe, person: Pixels, fitting: Fitting) -> dict[str, Image.Image]:
    """The canvas of two pictures of the recipe's size, and its mask, white where it is to be painted."""
    size = recipe.width, recipe.height
    image = Image.new("RGB", (2 * recipe.width, recipe.height), WHITE)
    image.paste(ImageOps.pad(fitting.garment, size, Image.Resampling.LANCZOS, color=WHITE), (0, 0))
    seen = Image.fromarray(_seen(person, fitting.window, cv2.BORDER_REPLICATE))
    image.paste(seen.resize(size, Image.Resampling.LANCZOS), (recipe.width, 0))
    marked = np.asarray(fitting.mask > 0, np.uint8) * 255
    region = Image.fromarray(_seen(marked, fitting.window, cv2.BORDER_CONSTANT)).resize(size)
    mask = Image.new("L", image.size)
    mask.paste(region.point(lambda value: 255 if value else 0), (recipe.width, 0))
    return {"image": image, "mask_image": mask}


def put_on(person: Pixels, fitting: Fitting, canvas: Image.Image) -> Pixels:
    """The person with what was painted on the canvas's right half; where the mask is 0, the same pixels as before."""
    window, (height, width) = fitting.window, person.shape[:2]
    half = canvas.convert("RGB").crop((canvas.width // 2, 0, canvas.width, canvas.height))
    whole = half.resize((window.width, window.height), Image.Resampling.LANCZOS)
    painted = np.asarray(whole.crop((-window.left, -window.top, width - window.left, height - window.top)), np.float32)
    mixed = person + (painted - person) * fitting.mask[..., None]
    return np.where(fitting.mask[..., None] > 0, np.clip(np.rint(mixed), 0, 255), person).astype(np.uint8)


def _window(mask: Plane, size: tuple[int, int]) -> Window:
    """Of the size's shape, about the region with a margin, and within the photograph as far as that goes."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    top, left = int(rows[0]), int(columns[0])
    tall, wide = int(rows[-1]) + 1 - top, int(columns[-1]) + 1 - left
    margin = 2 * MARGIN * max(tall, wide)
    whole = max(mask.shape[1] / size[0], mask.shape[0] / size[1])
    scale = min(max((wide + margin) / size[0], (tall + margin) / size[1]), whole)
    width, height = max(wide, round(size[0] * scale)), max(tall, round(size[1] * scale))
    return Window(
        _start(left + wide / 2, width, mask.shape[1]), _start(top + tall / 2, height, mask.shape[0]), width, height
    )


def _start(middle: float, length: int, of: int) -> int:
    """Where a stretch about a middle begins, moved so that it lies within; centred where it is longer."""
    if length >= of:
        return (of - length) // 2
    return min(max(round(middle - length / 2), 0), of - length)


def _seen(pixels: Pixels, window: Window, border: int) -> Pixels:
    """What of a picture is in the window; beyond the picture's edges, its border."""
    height, width = pixels.shape[:2]
    right, bottom = window.left + window.width, window.top + window.height
    inside = pixels[max(window.top, 0) : min(bottom, height), max(window.left, 0) : min(right, width)]
    beyond = max(-window.top, 0), max(bottom - height, 0), max(-window.left, 0), max(right - width, 0)
    return np.asarray(cv2.copyMakeBorder(inside, *beyond, border), np.uint8)

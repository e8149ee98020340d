"""A product as a cut-out that can be put anywhere: freed from its plain ground, or a framed print where it has none."""

from dataclasses import dataclass

import cv2
import numpy as np

from atelier_imaging.decoder import Photo
from atelier_imaging.garment import WORK_SIDE_PX, own_colours, subject_alpha
from atelier_imaging.garment_measures import Garment, measure_garment
from atelier_imaging.geometry import Pixels, Plane, blur, fit_within

FRAME_SHARE = 0.045
"""Of the long side of a print, its white border."""
BORDER_SHARE_MAX = 0.2


@dataclass(frozen=True, slots=True)
class Product:
    """Colours and opacity 0..1, and how it would be worn; None for a photograph that nothing was cut from."""

    rgb: Pixels
    alpha: Plane
    garment: Garment | None

    @property
    def hangs(self) -> bool:
        """Cloth with sleeves does not stand on a floor."""
        return self.garment is not None and self.garment.sleeves is not None

    @property
    def aspect(self) -> float:
        """Width by height."""
        return float(self.alpha.shape[1] / self.alpha.shape[0])

    @property
    def colour(self) -> Plane:
        """The mean of what is seen of it."""
        weight = self.alpha[..., None]
        return np.asarray((self.rgb * weight).sum(axis=(0, 1)) / max(float(weight.sum()), 1.0), np.float32)


def cut_product(photo: Photo) -> Product:
    """Free the product of a photograph from its ground."""
    rgb = fit_within(photo.rgb, WORK_SIDE_PX)
    alpha = subject_alpha(photo, rgb)
    if alpha is None or not (alpha > 0.5).any() or _along_border(alpha) > BORDER_SHARE_MAX:
        return _print(rgb)
    cut = measure_garment(own_colours(photo, rgb), alpha)
    return Product(cut.rgb, cut.alpha, cut)


def _along_border(alpha: Plane) -> float:
    """How much of the picture's border the cut-out touches: a table top does, a product before its ground does not."""
    border = np.concatenate([alpha[0], alpha[-1], alpha[:, 0], alpha[:, -1]])
    return float((border > 0.5).mean())


def _print(rgb: Pixels) -> Product:
    border = max(2, round(FRAME_SHARE * max(rgb.shape[:2])))
    framed = cv2.copyMakeBorder(rgb, *(border,) * 4, cv2.BORDER_CONSTANT, value=(250, 249, 246))
    return Product(np.asarray(framed, np.uint8), np.ones(framed.shape[:2], np.float32), None)


@dataclass(frozen=True, slots=True)
class PlacedProduct:
    """A product in the size of the canvas it was put on: colours and opacity."""

    rgb: Plane
    alpha: Plane


def place(
    product: Product, shape: tuple[int, int], *, middle_x: float, bottom: float, height: float, turn_rad: float = 0.0
) -> PlacedProduct:
    """The product scaled to ``height`` pixels, turned about its middle, its foot at ``bottom``."""
    scale = height / product.alpha.shape[0]
    across, down = np.cos(turn_rad) * scale, np.sin(turn_rad) * scale
    rows, columns = product.alpha.shape
    middle_y = bottom - height / 2
    move = np.array(
        [
            [across, -down, middle_x - across * columns / 2 + down * rows / 2],
            [down, across, middle_y - down * columns / 2 - across * rows / 2],
        ],
        np.float32,
    )
    rgb, alpha = product.rgb, product.alpha
    if scale < 0.7:  # warping down without a blur first would flicker
        rgb = np.asarray(cv2.GaussianBlur(rgb, (0, 0), 0.45 / scale), np.uint8)
        alpha = blur(alpha, 0.3 / scale)
    size = (shape[1], shape[0])
    moved = cv2.warpAffine(rgb, move, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    seen = cv2.warpAffine(alpha, move, size, flags=cv2.INTER_LINEAR)
    return PlacedProduct(np.asarray(moved, np.float32), np.asarray(seen, np.float32))


def paint_over(canvas: Plane, thing: PlacedProduct, *, light: float = 1.0) -> None:
    """Lay the product on the canvas."""
    canvas += (np.clip(thing.rgb * light, 0, 255) - canvas) * thing.alpha[..., None]


def shade(canvas: Plane, shadow: Plane, strength: float) -> None:
    """Darken the canvas where the shadow (0..1) falls; shadows are a little blue."""
    canvas *= 1 - np.asarray(shadow, np.float32)[..., None] * np.array((1.0, 0.97, 0.92), np.float32) * strength

"""From an order and its photographs to pixels: who makes which kind, and what each needs."""

from collections.abc import Sequence

import cv2

from atelier_imaging.decoder import Photo
from atelier_imaging.flat_lay import flat_lay
from atelier_imaging.geometry import Pixels
from atelier_imaging.image_edits import edited, varied
from atelier_imaging.noise import generator
from atelier_imaging.on_model import on_model
from atelier_imaging.pictures import Order
from atelier_imaging.product_shot import product_shot
from atelier_imaging.text_to_image import imagined
from atelier_imaging.try_on import try_on

Given = Sequence[tuple[str, Photo]]
"""Role and photograph, in the client's order."""


def composed(order: Order, given: Given) -> Pixels:
    """The picture of an order: a pure function, the same pixels for the same arguments."""
    # Cutting out starts from OpenCV's own chance, which would go on from the job before.
    cv2.setRNGSeed(order.seed & 0x7FFFFFFF)
    photos = [photo for _, photo in given]
    match order.kind:
        case "try_on":
            return try_on(photos[0], photos[1:], seed=_worn_as(order))
        case "image":
            return _image(order, given)
        case "product_shot":
            return product_shot(_of(given, "product"), _of(given, "model"), order)
        case "on_model":
            return on_model(photos, order)
        case "flat_lay":
            return flat_lay(photos, order)


def _worn_as(order: Order) -> int:
    """The seed of a try-on, which knows no words: those of a prompt decide about the fit with it."""
    return int(generator("try_on", order.prompt, order.seed).integers(1 << 62)) if order.prompt else order.seed


def _image(order: Order, given: Given) -> Pixels:
    """Of words alone, of a picture and words, or of a picture alone."""
    photos = _of(given, "image")
    if not photos:
        return imagined(order)
    mask = next(iter(_of(given, "mask")), None)
    return edited(photos, mask, order) if order.prompt.strip() else varied(photos, order)


def _of(given: Given, role: str) -> list[Photo]:
    return [photo for named, photo in given if named == role]

"""Composes the picture of a spec from its photographs: which module makes which kind."""

from collections.abc import Sequence

import cv2

from atelier_imaging.decoder import Photo
from atelier_imaging.flat_lay import flat_lay
from atelier_imaging.geometry import Pixels
from atelier_imaging.image_edits import edit_image, vary_image
from atelier_imaging.noise import generator
from atelier_imaging.on_model import on_model
from atelier_imaging.pictures import CompositionSpec
from atelier_imaging.product_shot import product_shot
from atelier_imaging.text_to_image import draw_prompt
from atelier_imaging.try_on import try_on

RolePhotos = Sequence[tuple[str, Photo]]
"""Role and photograph, in the client's order."""


def compose(spec: CompositionSpec, role_photos: RolePhotos) -> Pixels:
    """The picture of a spec: a pure function, the same pixels for the same arguments."""
    # Segmentation uses OpenCV's own random state, which would continue from the job before.
    cv2.setRNGSeed(spec.seed & 0x7FFFFFFF)
    photos = [photo for _, photo in role_photos]
    match spec.kind:
        case "try_on":
            return try_on(photos[0], photos[1:], seed=_try_on_seed(spec))
        case "image":
            return _image(spec, role_photos)
        case "product_shot":
            return product_shot(_photos_of_role(role_photos, "product"), _photos_of_role(role_photos, "model"), spec)
        case "on_model":
            return on_model(photos, spec)
        case "flat_lay":
            return flat_lay(photos, spec)


def _try_on_seed(spec: CompositionSpec) -> int:
    """The seed of a try-on; a prompt changes it, and with it the fit."""
    return int(generator("try_on", spec.prompt, spec.seed).integers(1 << 62)) if spec.prompt else spec.seed


def _image(spec: CompositionSpec, role_photos: RolePhotos) -> Pixels:
    """Of words alone, of a picture and words, or of a picture alone."""
    photos = _photos_of_role(role_photos, "image")
    if not photos:
        return draw_prompt(spec)
    mask = next(iter(_photos_of_role(role_photos, "mask")), None)
    return edit_image(photos, mask, spec) if spec.prompt.strip() else vary_image(photos, spec)


def _photos_of_role(role_photos: RolePhotos, role: str) -> list[Photo]:
    return [photo for named, photo in role_photos if named == role]

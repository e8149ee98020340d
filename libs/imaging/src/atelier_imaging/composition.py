"""Composes the picture of a spec from its photographs: which module makes which kind."""

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np

from atelier_imaging.decoder import Photo
from atelier_imaging.flat_lay import flat_lay
from atelier_imaging.garment import subject_alpha
from atelier_imaging.geometry import Pixels
from atelier_imaging.image_edits import edit_image, vary_image
from atelier_imaging.noise import generator
from atelier_imaging.on_model import on_model
from atelier_imaging.pictures import CompositionSpec
from atelier_imaging.product_shot import product_shot
from atelier_imaging.text_to_image import draw_prompt, draw_subject
from atelier_imaging.try_on import dress

RolePhotos = Sequence[tuple[str, Photo]]
"""Role and photograph, in the client's order."""


class NoSubject(Exception):
    """Nothing in the picture stands before a background that could be left out."""


def compose(spec: CompositionSpec, role_photos: RolePhotos) -> Pixels:
    """The picture of a spec: a pure function, the same pixels for the same arguments; with alpha where it is to be
    transparent. Raises NoSubject."""
    return compose_by_model(spec, role_photos)[0]


def compose_by_model(spec: CompositionSpec, role_photos: RolePhotos) -> tuple[Pixels, str]:
    """The picture of a spec, and the name of the learned model that took part, empty where none did. Raises
    NoSubject."""
    # Segmentation uses OpenCV's own random state, which would continue from the job before.
    cv2.setRNGSeed(spec.seed & 0x7FFFFFFF)
    if spec.kind == "try_on":
        photos = [photo for _, photo in role_photos]
        return dress(photos[0], photos[1:], seed=_try_on_seed(spec))
    return _drawn(spec, role_photos), ""


def _drawn(spec: CompositionSpec, role_photos: RolePhotos) -> Pixels:
    """Every other kind: no learned model takes part in it."""
    photos = [photo for _, photo in role_photos]
    match spec.kind:
        case "try_on":
            raise AssertionError("a try-on is dressed")
        case "image":
            return _without_background(spec, role_photos) if spec.transparent else _image(spec, role_photos)
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


def _without_background(spec: CompositionSpec, role_photos: RolePhotos) -> Pixels:
    """What stands before the background, with alpha. Raises NoSubject."""
    photos = _photos_of_role(role_photos, "image")
    if not photos:
        drawn = draw_subject(spec)
        if drawn is None:
            raise NoSubject
        return drawn
    picture = _image(spec, role_photos)
    alpha = subject_alpha(replace(photos[0], straight=picture, alpha=None), picture)
    if alpha is None or not (alpha > 0.5).any():
        raise NoSubject
    return np.dstack([picture, np.clip(np.rint(alpha * 255), 0, 255).astype(np.uint8)])


def _photos_of_role(role_photos: RolePhotos, role: str) -> list[Photo]:
    return [photo for named, photo in role_photos if named == role]

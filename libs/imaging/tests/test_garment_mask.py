"""Where a garment may be painted on a photograph: on the clothes it replaces, never on a face."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from atelier_imaging import pose_model
from atelier_imaging.decoder import Photo, normalise
from atelier_imaging.face import detect_face
from atelier_imaging.garment_mask import GarmentMask, mask_garments
from atelier_imaging.geometry import Pixels
from atelier_imaging.pictures import ImageRefused
from atelier_imaging.sample_garments import sample_garment
from atelier_imaging.try_on_comparison import find_regions

PHOTOS = Path(__file__).parents[3] / "docs" / "pictures" / "try-on"
posed = pytest.mark.skipif(pose_model._model_path() is None, reason="no wheel of the pose model for this interpreter")


def person(name: str) -> Pixels:
    read = normalise((PHOTOS / f"{name}.jpg").read_bytes())
    assert isinstance(read, Photo)
    return read.rgb


def masks_of(photo: Pixels, *garments: str) -> list[GarmentMask]:
    masks = mask_garments(photo, [sample_garment(name) for name in garments])
    assert not isinstance(masks, ImageRefused), masks
    return masks


@posed
@pytest.mark.parametrize("name", ["standing", "arms-out", "hands-on-head", "hopper", "strap"])
def test_the_clothes_on_the_chest_are_marked_and_head_and_background_are_not(name: str) -> None:
    photo = person(name)

    [mask] = masks_of(photo, "striped")

    regions = find_regions(photo)
    assert regions is not None
    assert mask.plane.shape == photo.shape[:2]
    assert (mask.plane[regions.chest] > 0.9).mean() > 0.95
    assert (mask.plane[regions.stays] == 0).mean() > 0.999


@posed
@pytest.mark.parametrize("name", ["standing", "garden", "crew", "astronaut", "long-hair", "cup"])
def test_a_face_found_by_other_means_is_never_marked(name: str) -> None:
    photo = person(name)

    [mask] = masks_of(photo, "plain")

    face = detect_face(photo)
    assert face is not None
    rows, columns = np.mgrid[0 : len(photo), 0 : photo.shape[1]]
    oval = np.hypot(columns - face.middle, rows - face.below(0.5)) < 0.45 * face.width
    assert oval.any()
    assert (mask.plane[oval] == 0).all()


@posed
def test_trousers_go_on_first_and_leave_the_chest_alone() -> None:
    photo = person("standing")

    first, second = masks_of(photo, "striped", "trousers")

    regions, height = find_regions(photo), len(photo)
    assert regions is not None
    assert (first.garment, second.garment) == (1, 0)
    assert (first.plane[regions.chest] == 0).mean() > 0.9
    legs, feet = first.plane[int(0.5 * height) : int(0.7 * height)], first.plane[int(0.82 * height) :]
    assert (legs > 0.9).mean() > 0.1
    assert (feet == 0).all()


@posed
def test_a_jacket_over_a_shirt_leaves_the_shirts_front_alone() -> None:
    photo = person("standing")

    shirt, jacket = masks_of(photo, "plain", "checked")

    front = (shirt.plane > 0.9) & (jacket.plane == 0)
    assert front.sum() > 0.15 * (shirt.plane > 0.9).sum()
    assert (jacket.plane > 0.9).sum() > 0.3 * (shirt.plane > 0.9).sum()


@posed
def test_the_same_pictures_give_the_same_masks() -> None:
    photo = person("squat")

    [first], [second] = masks_of(photo, "dress"), masks_of(photo, "dress")

    assert np.array_equal(first.plane, second.plane)


@posed
def test_trousers_are_refused_for_a_picture_that_ends_above_the_legs() -> None:
    refused = mask_garments(person("long-hair"), [sample_garment("trousers")])

    assert isinstance(refused, ImageRefused)
    assert refused.code == "no_room"


def test_a_picture_of_nobody_is_refused_in_words() -> None:
    noise = Image.effect_noise((400, 400), 40).convert("RGB")

    refused = mask_garments(np.asarray(noise), [sample_garment("plain")])

    assert isinstance(refused, ImageRefused)
    assert refused.code == "no_person"
    assert "no person" in refused.message

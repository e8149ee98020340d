"""Compares two try-ons of one photograph without knowing which is which: by colour, and by what had to stay.

The regions are drawn by hand, or found in the photograph by the pose model; what that misses counts for neither.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from atelier_imaging.body_frames import body_frames
from atelier_imaging.body_parts import distinguish_parts
from atelier_imaging.garment_measures import Garment
from atelier_imaging.geometry import Pixels, Plane, Region
from atelier_imaging.pose_model import find_pose

SAME = 6
"""Levels of a channel within which a pixel counts as untouched: JPEGs are compared too."""


@dataclass(frozen=True, slots=True)
class Measures:
    """``colour`` is the distance (Lab) between the garment's mean colour and the picture's on the chest; the others
    are shares: of head and background left untouched, of hair, hands and forearms left untouched, and of the clothes
    on the chest that were replaced."""

    colour: float
    untouched: float
    front: float
    covered: float

    @property
    def faults(self) -> float:
        """The sum of what went wrong; less is better."""
        return self.colour / 20 + 20 * (1 - self.untouched) + 2 * (1 - self.front) + 2 * (1 - self.covered)


@dataclass(frozen=True, slots=True)
class Regions:
    """Of a photograph: what must stay, what lies in front, and where the garment belongs."""

    stays: Region
    front: Region
    chest: Region


def find_regions(photo: Pixels) -> Regions | None:
    """None where no person is found."""
    pose = find_pose(photo)
    if pose is None:
        return None
    frames = body_frames(pose)
    parts = distinguish_parts(photo, pose, frames)
    far = int(0.3 * frames.shoulder)
    beyond = cv2.dilate((parts.person > 0.1).astype(np.uint8), np.ones((far, far), np.uint8)) == 0
    down, right = frames.trunk_coordinates()
    arms = np.maximum(*(arm.region(frames.shape, wide=1.3) for arm in frames.arms))
    chest = (np.abs(right) < 0.6 * frames.shoulder) & (down > 0.2) & (down < 0.8) & (parts.clothes > 0.9)
    across = np.abs(right) < 0.85 * frames.shoulder  # beside the trunk a sleeve may cover an arm
    front = ((parts.hair > 0.9) & (down > -0.1)) | ((parts.skin > 0.9) & (arms > 0) & (down > 0) & across)
    return Regions(beyond | ((parts.head > 0.99) & (parts.person > 0.9)), front & (parts.head < 0.01), chest)


def read_regions(drawn: dict[str, list[list[tuple[float, float]]]], photo: Pixels) -> Regions:
    """Regions that were drawn by hand: polygons in hundredths of the picture's width and height."""
    height, width = photo.shape[:2]

    def filled(polygons: list[list[tuple[float, float]]]) -> Region:
        region = np.zeros((height, width), np.uint8)
        for polygon in polygons:
            cv2.fillPoly(region, [(np.array(polygon) * (width / 100, height / 100)).astype(np.int32)], 1)
        return region > 0

    return Regions(filled(drawn["stays"]), filled(drawn["front"]), filled(drawn["chest"]))


def measure(photo: Pixels, regions: Regions, garment: Garment, picture: Pixels) -> Measures:
    """The measures of a picture made of the photograph, which has its sides."""
    untouched = np.abs(photo.astype(np.int16) - picture.astype(np.int16)).max(axis=2) <= SAME
    chest = regions.chest
    seen = _lab(picture)[chest].mean(axis=0) if chest.any() else np.zeros(3)
    cloth = _lab(garment.rgb)[garment.alpha > 0.9].mean(axis=0)
    return Measures(
        float(np.linalg.norm(seen - cloth)) if chest.any() else 0.0,
        _share(untouched, regions.stays),
        _share(untouched, regions.front),
        _share(~untouched, chest),
    )


def _share(holds: Region, where: Region) -> float:
    return float(holds[where].mean()) if where.any() else 1.0


def _lab(rgb: Pixels) -> Plane:
    return np.asarray(cv2.cvtColor(np.asarray(rgb, np.float32) / 255, cv2.COLOR_RGB2LAB), np.float32)

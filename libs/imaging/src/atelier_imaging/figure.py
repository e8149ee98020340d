"""A photographed person: the picture, where the body is in it, and what its parts are."""

from dataclasses import dataclass

from atelier_imaging.body_frames import BodyFrames
from atelier_imaging.body_parts import BodyParts
from atelier_imaging.geometry import Pixels
from atelier_imaging.trunk_outline import TrunkOutline, outline_trunk


@dataclass(frozen=True, slots=True)
class Figure:
    """A person as photographed: the picture, where the body is in it, and what its parts are."""

    rgb: Pixels
    frames: BodyFrames
    parts: BodyParts
    outline: TrunkOutline


def pose_figure(rgb: Pixels, frames: BodyFrames, parts: BodyParts) -> Figure:
    """The figure of a picture whose body was found."""
    return Figure(rgb, frames, parts, outline_trunk(frames, parts))

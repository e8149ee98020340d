"""Chooses photographs that the composer was not written with, by a rule that knows no try-on of them.

The set is ``inter-faces``: a hundred numbered photographs of people, CC0.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from atelier_imaging.body_frames import BodyFrames, Limb, body_frames
from atelier_imaging.decoder import normalise
from atelier_imaging.geometry import fit_within
from atelier_imaging.pictures import ImageRefused
from atelier_imaging.pose_model import find_pose
from atelier_imaging.try_on import SIDE_MAX_PX, SIDE_MIN_PX

SEEN = ("011", "015", "023")
"""Numbers that were looked at while the composer was written."""
FORMER_SETS = (
    ("002", "003", "008", "013", "019", "024", "026", "027", "029", "043", "046", "061"),
    ("012", "017", "018", "022", "044", "052", "054", "059", "060", "063", "066", "069"),
)
"""Chosen by the same rule before; what went wrong with them was mended, so they are no longer held out."""
FIRST, WITH_ARM = 6, 6
TRUNK_SEEN = 0.15
"""How much of the way from the shoulders to the hips the picture must show: few of these portraits show more."""
VISIBLE_MIN = 0.5
GARMENTS = ("plain", "striped", "checked", "dress")


def choose_photos(folder: Path) -> dict[str, str]:
    """The garment for each number that is taken.

    In the order of their numbers those count on which the pose model finds both shoulders inside the picture, and the
    trunk down to ``TRUNK_SEEN``. The first six of them are taken, and of the others the first six that show a wrist
    before the trunk, filled up with the next ones where there are fewer. Garments go round.
    """
    taken: list[str] = []
    others: list[tuple[str, bool]] = []
    for number, frames in _people(folder):
        if not _shows_trunk(frames):
            continue
        if len(taken) < FIRST:
            taken.append(number)
        else:
            others.append((number, any(_is_before_trunk(arm, frames) for arm in frames.arms)))
    by_arm = sorted(others, key=lambda other: not other[1])  # stable: numbers stay in order
    taken += sorted(number for number, _ in by_arm[:WITH_ARM])
    return {number: GARMENTS[index % len(GARMENTS)] for index, number in enumerate(taken)}


def _people(folder: Path) -> Iterator[tuple[str, BodyFrames]]:
    for path in sorted(folder.glob("[0-9][0-9][0-9].jpg")):
        if path.stem in {*SEEN, *FORMER_SETS[0], *FORMER_SETS[1]}:
            continue
        photo = normalise(path.read_bytes())
        assert not isinstance(photo, ImageRefused), path
        pose = find_pose(fit_within(photo.rgb, SIDE_MAX_PX, side_min_px=SIDE_MIN_PX))
        if pose is not None:
            yield path.stem, body_frames(pose)


def _shows_trunk(frames: BodyFrames) -> bool:
    half = frames.axis[0] + TRUNK_SEEN * (frames.axis[1] - frames.axis[0])
    return all(_is_inside(point, frames.shape) for point in (half, *(arm.joints[0] for arm in frames.arms)))


def _is_before_trunk(arm: Limb, frames: BodyFrames) -> bool:
    """Whether the wrist is seen between shoulders and hips, no further aside than the shoulders are."""
    wrist, way = arm.joints[2], frames.axis[1] - frames.axis[0]
    if arm.visible < VISIBLE_MIN or not _is_inside(wrist, frames.shape):
        return False
    down = float((wrist - frames.axis[0]) @ way / (way @ way))
    aside = wrist - frames.axis[0] - down * way
    return 0 < down < 1 and float(np.hypot(*aside)) < frames.shoulder


def _is_inside(point: np.ndarray, shape: tuple[int, int]) -> bool:
    return bool(0 <= point[0] < shape[1] and 0 <= point[1] < shape[0])

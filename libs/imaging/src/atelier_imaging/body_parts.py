"""Distinguishes the parts of a photographed person: head, hair, bare skin, and the clothes that are worn."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from atelier_imaging.background_segmentation import grab_cut
from atelier_imaging.body_frames import CHIN, BodyFrames
from atelier_imaging.geometry import Pixels, Plane, Region, draw_to_edges, smoothstep
from atelier_imaging.pose_model import Pose

WORK_SIDE_PX = 420
SKIN_DISTANCE = 3.2
"""In standard deviations of the face's colours."""
HAIR_REACH = 3.4
"""How far below the chin hair is looked for, in half widths of the shoulders."""
HAIR_OF_BREAST_MAX = 0.5


@dataclass(frozen=True, slots=True)
class BodyParts:
    """Planes (height, width) of 0..1: the silhouette, the head with its neck, hair, and bare skin; they overlap."""

    person: Plane
    head: Plane
    hair: Plane
    skin: Plane

    @property
    def clothes(self) -> Plane:
        return np.asarray(self.person * (1 - np.maximum(np.maximum(self.head, self.hair), self.skin)), np.float32)


def distinguish_parts(rgb: Pixels, pose: Pose, frames: BodyFrames) -> BodyParts:
    """The parts of the person, found on a small copy of the picture and enlarged."""
    height, width = rgb.shape[:2]
    scale = min(1.0, WORK_SIDE_PX / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8)
    person = np.asarray(cv2.resize(pose.person, size, interpolation=cv2.INTER_AREA) > 0.5)
    points = pose.points.astype(np.float64) * scale
    unit = frames.shoulder * scale
    face = _face(points, small.shape[:2]) & person
    crown = _crown(points, face, person)
    colours = _hair_colours(small, crown, face)
    skin = _skin(small, face, colours, person)
    hair = _hair(small, points, unit, crown, skin, colours, person)
    return BodyParts(
        pose.person,
        np.maximum(_head(rgb.shape[:2], frames), face_ellipse(frames)),
        _enlarged(hair, rgb) * pose.person,
        _enlarged(skin & ~hair, rgb) * pose.person,
    )


def _face(points: NDArray[np.float64], shape: tuple[int, ...]) -> Region:
    """An ellipse about eyes and mouth."""
    eyes, mouth = points[[2, 5]].mean(axis=0), points[[9, 10]].mean(axis=0)
    down = mouth - eyes
    tall = max(float(np.hypot(*down)), 2.0)
    ears = float(np.hypot(*(points[7] - points[8])))
    wide = float(np.clip(0.5 * ears, 0.65 * tall, 1.1 * tall))
    drawn = np.zeros(shape[:2], np.uint8)
    middle = eyes + 0.45 * down
    angle = float(np.degrees(np.arctan2(down[1], down[0])) - 90)
    axes = (max(1, int(wide)), max(1, int(1.25 * tall)))
    cv2.ellipse(drawn, (int(middle[0]), int(middle[1])), axes, angle, 0, 360, 1, -1)
    return np.asarray(drawn > 0)


def _skin(rgb: Pixels, face: Region, hair: Plane | None, person: Region) -> Region:
    """What has the face's colours, measured without its darkest and lightest parts, and is no nearer to the hair's."""
    if face.sum() < 12:
        return np.zeros_like(face)
    lab = _lab(rgb)
    seen = lab[face]
    low, high = np.percentile(seen[:, 0], (25, 90))
    seen = seen[(seen[:, 0] >= low) & (seen[:, 0] <= high)]
    spread = np.maximum(seen.std(axis=0), (9.0, 3.0, 3.5))
    away = (lab - np.median(seen, axis=0)) / spread
    # Arms may lie in shade or light: lightness counts less than colour.
    distance = np.sqrt((0.45 * away[..., 0]) ** 2 + away[..., 1] ** 2 + away[..., 2] ** 2)
    skin = (distance < SKIN_DISTANCE) & person
    if hair is not None:
        skin &= _distance(lab, _main_colours(lab[face])) < _distance(lab, hair)
    opened = cv2.morphologyEx(skin.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    return np.asarray(cv2.morphologyEx(opened, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8)) > 0)


def _crown(points: NDArray[np.float64], face: Region, person: Region) -> Region:
    """About the face and above it, where only hair can be, or a bald head or a hat."""
    rows, columns = np.mgrid[0 : face.shape[0], 0 : face.shape[1]]
    eyes, mouth = points[[2, 5]].mean(axis=0), points[[9, 10]].mean(axis=0)
    tall = max(float(mouth[1] - eyes[1]), 2.0)
    ears = max(float(np.hypot(*(points[7] - points[8]))) / 2, 0.8 * tall)
    off, up = (columns - eyes[0]) / ears, (eyes[1] + 0.3 * tall - rows) / tall
    front = (off / 1.12) ** 2 + (up / np.where(up > 0, 1.75, 1.6)) ** 2 < 1
    near = (rows < mouth[1]) & (np.abs(off) < 2.6) & (up < 4.2)
    return np.asarray(person & near & ~front & ~face)


def _hair_colours(rgb: Pixels, crown: Region, face: Region) -> Plane | None:
    """The main colours about the face that are not the face's own; None for a bald head."""
    if crown.sum() < 20 or face.sum() < 12:
        return None
    lab = _lab(rgb)
    skin = np.median(lab[face], axis=0)
    centres = _main_colours(lab[crown], 5)
    other = centres[np.linalg.norm((centres - skin) * (0.7, 1, 1), axis=1) > 11]
    return other.astype(np.float32) if len(other) else None


def _hair(
    rgb: Pixels,
    points: NDArray[np.float64],
    unit: float,
    crown: Region,
    skin: Region,
    hair: Plane | None,
    person: Region,
) -> Region:
    """Grown from the crown downwards: GrabCut between the hair about the head and what is worn on the chest."""
    if hair is None:
        return np.zeros_like(crown)
    lab = _lab(rgb)
    rows, columns = np.mgrid[0 : rgb.shape[0], 0 : rgb.shape[1]]
    mouth, shoulders = points[[9, 10]].mean(axis=0), points[[11, 12]].mean(axis=0)
    from_hair = _distance(lab, hair)
    hairy = crown & (from_hair < 22)
    reach = person & (rows < mouth[1] + HAIR_REACH * unit) & (np.abs(columns - mouth[0]) < 1.15 * unit)
    neck = skin & (np.abs(columns - mouth[0]) < 0.3 * unit)
    chest = person & ~skin & (rows > shoulders[1] + 0.35 * unit) & (np.abs(columns - shoulders[0]) < 1.1 * unit)
    likely = reach & ~neck & (from_hair < 24)
    worn = chest & (from_hair > 14)
    if worn.sum() >= 20:
        likely &= from_hair < 0.8 * _distance(lab, _main_colours(lab[worn]))
    # Clothes of the hair's own colour: where one ends and the other begins cannot be seen.
    if worn.sum() < 0.12 * chest.sum():
        likely &= rows < shoulders[1]
    labels = np.full(crown.shape, cv2.GC_BGD, np.uint8)
    labels[reach & ~neck] = cv2.GC_PR_BGD
    labels[likely] = cv2.GC_PR_FGD
    labels[hairy] = cv2.GC_FGD
    labels[worn & (from_hair > 30)] = cv2.GC_BGD
    found = _hanging_from(grab_cut(rgb, labels, rounds=4) & (reach | crown), hairy)
    # Hair parts over the breast: what fills its middle is cloth of the hair's colours, and so is what is beside it.
    breast = (
        person
        & (np.abs(columns - shoulders[0]) < 0.3 * unit)
        & (np.abs(rows - shoulders[1] - 0.5 * unit) < 0.35 * unit)
    )
    if breast.any() and found[breast].mean() > HAIR_OF_BREAST_MAX:
        found &= rows < min(shoulders[1], mouth[1] + CHIN * (mouth[1] - points[[2, 5], 1].mean()))
    return found


def _lab(rgb: Pixels) -> Plane:
    return np.asarray(cv2.cvtColor(np.asarray(rgb, np.float32) / 255, cv2.COLOR_RGB2LAB), np.float32)


def _main_colours(colours: Plane, count: int = 3) -> Plane:
    """As rows of Lab."""
    if len(colours) < 8:
        return np.zeros((0, 3), np.float32)
    criteria = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 20, 0.5)
    start = np.zeros((len(colours), 1), np.int32)
    _, _, centres = cv2.kmeans(np.ascontiguousarray(colours), count, start, criteria, 2, cv2.KMEANS_PP_CENTERS)
    return np.asarray(centres, np.float32)


def _distance(lab: Plane, colours: Plane) -> Plane:
    """To the nearest of some colours."""
    return np.asarray(np.min([np.linalg.norm(lab - colour, axis=2) for colour in colours], axis=0), np.float32)


def _hanging_from(found: Region, crown: Region) -> Region:
    """The connected parts that reach up to the crown."""
    solid = cv2.morphologyEx((found | crown).astype(np.uint8), cv2.MORPH_OPEN, np.ones((2, 2), np.uint8))
    _, labels = cv2.connectedComponents(solid)
    kept = np.unique(labels[crown & (solid > 0)])
    return np.asarray(np.isin(labels, kept[kept > 0]))


def _head(shape: tuple[int, ...], frames: BodyFrames) -> Plane:
    """Above the collar: an arc from shoulder to shoulder whose lowest point lies at the neck's foot."""
    rows, columns = np.mgrid[0 : shape[0], 0 : shape[1]].astype(np.float32)
    foot, neck = frames.neck, frames.chin
    tall = max(float(foot[1] - neck[1]), 1.0)
    wide = 0.42 * frames.shoulder
    off = np.abs(columns - (neck[0] + (foot[0] - neck[0]) * np.clip((rows - neck[1]) / tall, 0, 1))) / wide
    arc = np.sqrt(np.maximum(1 - off**2, 0)) - (rows - neck[1]) / tall
    above = max(1.15, frames.face / wide) - off
    inside = np.where(rows < neck[1], above, np.where(off < 1, arc, -1.0))
    return smoothstep(np.asarray(inside, np.float32), -0.02, 0.06)


def _enlarged(region: Region, rgb: Pixels) -> Plane:
    height, width = rgb.shape[:2]
    large = cv2.resize(region.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    drawn = draw_to_edges(np.asarray(large, np.float32), rgb, 1.5 * width / region.shape[1])
    return smoothstep(drawn, 0.35, 0.75)


def face_ellipse(frames: BodyFrames) -> Plane:
    """An ellipse from the brows to the chin and from ear to ear, whatever lies before it."""
    down = (frames.chin - frames.mouth) / CHIN  # from the eyes to the mouth
    middle, tall = frames.mouth - 0.45 * down, float(np.hypot(*down))
    drawn = np.zeros(frames.shape, np.uint8)
    turn = float(np.degrees(np.arctan2(down[1], down[0])) - 90)
    axes = (max(1, round(max(frames.face, 0.8 * tall))), max(1, round(1.35 * tall)))
    cv2.ellipse(drawn, (round(float(middle[0])), round(float(middle[1]))), axes, turn, 0, 360, 1, -1)
    return drawn.astype(np.float32)

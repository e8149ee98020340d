"""Finds a person's joints and silhouette with the pose model of the package ``mediapipe``, read by OpenCV.

The package's own code is never imported; where it is not installed there is no pose, and callers do without.
"""

from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from atelier_imaging.face import Face
from atelier_imaging.face_model import find_face
from atelier_imaging.geometry import Pixels, Plane, draw_to_edges, fit_within, smoothstep
from atelier_imaging.model_package import model_file
from atelier_imaging.pictures import POSE_PACKAGE
from atelier_imaging.portrait_model import find_people

SEARCH_SIDE_PX = 768
INPUT_PX = 256
ROUNDS = 3
"""How often a crop is aligned by what was found in the crop before."""
CERTAIN, CERTAIN_MIN = 0.97, 0.5
"""What ends the search, and what somebody without a face must have; and what suffices where the face was found."""
POINTS, AUXILIARY = 33, 39
MIDDLE, REACH = 33, 34
"""Auxiliary points: the middle of the hips, and one on the circle about the whole body."""
FACE_CROPS = (11.0, 16.5)
"""Sides of crops that hold a body about the hips, in widths of its face."""
BELOW_CROPS = (2.0, 3.0)
"""Sides of crops that begin with the picture and go on below it, in heights of the picture."""
SHOULDERS_BELOW_MIN = 0.8
"""How far below the upper edge of a face its shoulders are at the least, in widths of the face."""
PORTRAIT_ALIKE_MIN = 0.6
"""How much of both a person's silhouette and that of all people must share to be of one person."""

Points = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Pose:
    """A person in a picture: ``points`` (33, 2) as x and y in pixels, numbered as BlazePose does (11 and 12 are the
    shoulders), how visible each is (0..1), and ``person`` (height, width), 1 on the silhouette."""

    points: Points
    visibility: NDArray[np.float32]
    certainty: float
    person: Plane


@dataclass(frozen=True, slots=True)
class _Crop:
    """A square of the picture, turned by an angle: what the network looks at."""

    x: float
    y: float
    side: float
    angle_rad: float = 0.0

    def to_picture(self) -> NDArray[np.float64]:
        """The affine matrix (2, 3) from the network's pixels to the picture's."""
        scale = self.side / INPUT_PX
        cos, sin = scale * np.cos(self.angle_rad), scale * np.sin(self.angle_rad)
        half = INPUT_PX / 2
        return np.array([[cos, -sin, self.x - half * (cos - sin)], [sin, cos, self.y - half * (sin + cos)]])


@dataclass(frozen=True, slots=True)
class _Finding:
    crop: _Crop
    points: NDArray[np.float64]
    visibility: NDArray[np.float64]
    certainty: float
    rank: float
    """The certainty, much less for a person whose face is not the one that was found, or who has shoulders in it."""
    silhouette: Plane


def model_name() -> str:
    """The model as receipts name it: what it is, and the version of the package that holds it."""
    return f"{POSE_PACKAGE}-pose-{version(POSE_PACKAGE)}"


def find_pose(rgb: Pixels) -> Pose | None:
    """The most certain person of the picture; None without the model or without anybody."""
    if _model_path() is None or min(rgb.shape[:2]) < INPUT_PX // 4:
        return None
    small = fit_within(rgb, SEARCH_SIDE_PX)
    scale = rgb.shape[1] / small.shape[1]
    face = find_face(small)
    finding = _most_certain(small, face)
    has_face = face is not None and finding.rank == finding.certainty
    if finding.certainty < (CERTAIN_MIN if has_face else CERTAIN):
        return None
    person, cell_px = _portrait_silhouette(small, finding) or _silhouette(small, finding)
    if not (person > 0.5).any():
        return None
    return Pose(
        np.asarray(finding.points[:POINTS] * scale, np.float32),
        np.asarray(finding.visibility[:POINTS], np.float32),
        finding.certainty,
        _refine(person, rgb, 1.5 * scale * cell_px),
    )


def _most_certain(rgb: Pixels, face: Face | None) -> _Finding:
    """Crops about the face's likely body first, then the whole picture; each is aligned a few times."""
    height, width = rgb.shape[:2]
    starts = [_Crop(width / 2, height / 2, float(max(height, width)))]
    if face is not None:
        starts = [_Crop(face.middle, face.below(0.36 * side), face.width * side) for side in FACE_CROPS] + starts
    best: _Finding | None = None
    while starts:
        start = starts.pop(0)
        crop = start
        for _ in range(ROUNDS):
            finding = _look(rgb, crop, face)
            if best is None or finding.rank > best.rank:
                best = finding
            crop = _aligned(finding)
        assert best is not None, "every start is looked at"
        if best.rank > CERTAIN:
            break
        if not starts and start.y < height:
            starts = _cut_off(best, rgb, face)
    assert best is not None, "there is always the whole picture"
    return best


def _cut_off(finding: _Finding, rgb: Pixels, face: Face | None) -> list[_Crop]:
    """Crops that reach below a picture at whose lower edge the person is cut off. Without a face there are fewer: a
    garment that lies flat looks much like a trunk whose head is beyond the picture."""
    height, width = rgb.shape[:2]
    starts = [_Crop(width / 2, height * side / 2, height * side) for side in BELOW_CROPS] if face is not None else []
    person = _placed(rgb, finding) > 0.5
    if person[-1].any():
        top = int(np.flatnonzero(person.any(axis=1))[0])
        starts = [_Crop(float(np.nonzero(person)[1].mean()), float(height), 2.5 * float(height - top)), *starts]
    return starts


def _aligned(finding: _Finding) -> _Crop:
    """The upright crop about the body that was found."""
    middle, reach = finding.points[MIDDLE], finding.points[REACH]
    out = reach - middle
    side = max(2.5 * float(np.hypot(*out)), 32.0)
    return _Crop(float(middle[0]), float(middle[1]), side, float(np.arctan2(out[1], out[0]) + np.pi / 2))


def _look(rgb: Pixels, crop: _Crop, face: Face | None) -> _Finding:
    matrix = crop.to_picture()
    seen = cv2.warpAffine(rgb, matrix, (INPUT_PX, INPUT_PX), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    model = _model()
    model.setInput(np.ascontiguousarray(np.asarray(seen, np.float32).transpose(2, 0, 1)[None] / 255))
    outputs = {output.size: output for output in model.forward(model.getUnconnectedOutLayersNames())}
    rows = outputs[AUXILIARY * 5].reshape(AUXILIARY, 5).astype(np.float64)
    points = np.column_stack([rows[:, :2], np.ones(AUXILIARY)]) @ matrix.T
    certainty = float(outputs[1].ravel()[0])
    silhouette = _sigmoid(outputs[INPUT_PX * INPUT_PX].reshape(INPUT_PX, INPUT_PX))
    rank = certainty * (0.2 if face is not None and _contradicts(points, face) else 1.0)
    return _Finding(crop, points, _sigmoid(rows[:, 3]), certainty, rank, np.asarray(silhouette, np.float32))


def _contradicts(points: NDArray[np.float64], face: Face) -> bool:
    nose, shoulders_y = points[0], points[[11, 12], 1].mean()
    elsewhere = float(np.hypot(*(nose - (face.middle, face.below(0.6))))) > 0.6 * face.width
    return elsewhere or bool(shoulders_y < face.below(SHOULDERS_BELOW_MIN))


def _portrait_silhouette(rgb: Pixels, finding: _Finding) -> tuple[Plane, float] | None:
    """As ``_silhouette``; None where the network's crop lies within the picture and so shows the person finer, and
    where there are others beside the person."""
    side = float(max(rgb.shape[:2]))
    people = find_people(rgb) if finding.crop.side > side else None
    if people is None:
        return None
    one, all_ = _placed(rgb, finding) > 0.5, people > 0.5
    return (people, side / INPUT_PX) if (one & all_).sum() > PORTRAIT_ALIKE_MIN * (one | all_).sum() else None


def _silhouette(rgb: Pixels, finding: _Finding) -> tuple[Plane, float]:
    """In the size of ``rgb``, with the side of one of the network's pixels there; looked at once more through a crop
    that fits the person, for a finer edge."""
    coarse = _placed(rgb, finding)
    rows, columns = np.flatnonzero((coarse > 0.5).any(axis=1)), np.flatnonzero((coarse > 0.5).any(axis=0))
    if not rows.size:
        return coarse, finding.crop.side / INPUT_PX
    top, bottom, left, right = int(rows[0]), int(rows[-1]), int(columns[0]), int(columns[-1])
    crop = _Crop((left + right) / 2, (top + bottom) / 2, 1.08 * max(bottom - top, right - left, 32))
    fine = _placed(rgb, _look(rgb, crop, None))
    both, either = ((coarse > 0.5) & (fine > 0.5)).sum(), ((coarse > 0.5) | (fine > 0.5)).sum()
    if both < 0.8 * either or crop.side > finding.crop.side:
        return coarse, finding.crop.side / INPUT_PX
    # Of a closer look also more is doubtful: what the wider one did not see is not the person's.
    cells = 2 * int(np.ceil(1.5 * finding.crop.side / INPUT_PX)) + 1
    near = cv2.dilate(coarse, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (cells, cells)))
    return np.asarray(np.minimum(fine, near), np.float32), crop.side / INPUT_PX


def _placed(rgb: Pixels, finding: _Finding) -> Plane:
    height, width = rgb.shape[:2]
    placed = cv2.warpAffine(finding.silhouette, finding.crop.to_picture(), (width, height), flags=cv2.INTER_LINEAR)
    return np.asarray(placed, np.float32)


def _refine(person: Plane, rgb: Pixels, radius_px: float) -> Plane:
    """The silhouette in the size of ``rgb``, its edge drawn to the picture's edges by a guided filter."""
    height, width = rgb.shape[:2]
    rough = np.asarray(cv2.resize(person, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)
    drawn = draw_to_edges(rough, rgb, radius_px)
    return smoothstep(drawn, 0.35, 0.75)


def _sigmoid(values: NDArray[Any]) -> NDArray[np.float64]:
    return np.asarray(1 / (1 + np.exp(-np.clip(values.astype(np.float64), -30, 30))), np.float64)


@cache
def _model() -> cv2.dnn.Net:
    path = _model_path()
    assert path is not None, "asked for only where it is installed"
    return cv2.dnn.readNetFromTFLite(str(path))


def _model_path() -> Path | None:
    return model_file("pose_landmark", "pose_landmark_full.tflite")

"""Finds a large face with the face model of the package ``mediapipe``: also in profile, bowed, or half hidden.

The cascades miss those, or take an ear or a hand for a face. Small faces are theirs: the model sees 128 pixels.
"""

from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from atelier_imaging.face import Face, detect_face
from atelier_imaging.geometry import Pixels, fit_within
from atelier_imaging.model_package import model_file

INPUT_PX = 128
GRIDS = ((16, 2), (8, 6))
"""Cells along a side, and how many boxes are proposed about the middle of each."""
CERTAIN_MIN = 0.75
WIDE, ABOVE = 1.16, 0.68
"""The cascade's box in sides of the model's: its width, and its upper edge above the model's middle."""


def find_face(rgb: Pixels) -> Face | None:
    """The cascades' face, unless the model is certain of another one."""
    found, large = detect_face(rgb), _find_large(rgb)
    return found if large is None or (found and _is_same(found, large)) else large


def _is_same(face: Face, other: Face) -> bool:
    apart = np.hypot(face.middle - other.middle, face.below(0.5) - other.below(0.5))
    return bool(apart < 0.35 * other.width and 0.6 < face.width / other.width < 1.5)


def _find_large(rgb: Pixels) -> Face | None:
    """The face of which the model is most certain; None without the model, or where it is not certain."""
    if model_file("face_detection", "face_detection_short_range.tflite") is None:
        return None
    small = fit_within(rgb, INPUT_PX)
    top, left = (INPUT_PX - small.shape[0]) // 2, (INPUT_PX - small.shape[1]) // 2
    seen = np.zeros((INPUT_PX, INPUT_PX, 3), np.float32)
    seen[top : top + small.shape[0], left : left + small.shape[1]] = small
    model = _model()
    model.setInput(np.ascontiguousarray((seen / 127.5 - 1).transpose(2, 0, 1)[None]))
    outputs = {output.shape[-1]: output[0] for output in model.forward(model.getUnconnectedOutLayersNames())}
    certainty = 1 / (1 + np.exp(-np.clip(outputs[1][:, 0].astype(np.float64), -30, 30)))
    best = int(certainty.argmax())
    if certainty[best] < CERTAIN_MIN:
        return None
    off_x, off_y, side = outputs[16][best, :3].astype(np.float64)
    x, y = _middles()[best] + (off_x - left, off_y - top)
    scale = max(rgb.shape[:2]) / INPUT_PX
    return Face(x - WIDE / 2 * side, y - ABOVE * side, WIDE * side, float(certainty[best])).at_scale(scale)


@cache
def _middles() -> NDArray[np.float64]:
    """Of all boxes, in the model's pixels."""
    middles = []
    for cells, boxes in GRIDS:
        y, x = np.mgrid[0:cells, 0:cells]
        grid = (np.stack([x, y], axis=-1).reshape(-1, 2) + 0.5) * INPUT_PX / cells
        middles.append(np.repeat(grid, boxes, axis=0))
    return np.concatenate(middles)


@cache
def _model() -> cv2.dnn.Net:
    path = model_file("face_detection", "face_detection_short_range.tflite")
    assert path is not None, "asked for only where it is installed"
    return cv2.dnn.readNetFromTFLite(str(path))

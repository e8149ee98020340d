"""Finds the face from which a body is measured: by cascade, else by the outline of what stands before the ground."""

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import cv2
import numpy as np

from atelier_imaging.geometry import Pixels, Plane, Region, fit_within

SEARCH_SIDE_PX = 640
FACE_OF_HEAD = 0.6
"""The face box's width to the head's height, chin to crown."""
HEADS_TALL = 7.2


@dataclass(frozen=True, slots=True)
class Face:
    """The box the Haar cascade draws, about from the brows to the lower lip; x and y are its upper left corner."""

    x: float
    y: float
    width: float
    certainty: float = 0.0

    @property
    def middle(self) -> float:
        return self.x + self.width / 2

    def at_scale(self, by: float) -> "Face":
        return Face(self.x * by, self.y * by, self.width * by, self.certainty)

    def below(self, faces: float) -> float:
        """A row, that many face widths under the upper edge of the face."""
        return self.y + faces * self.width


def detect_face(rgb: Pixels) -> Face | None:
    """The most certain face in the upper two thirds of the picture, frontal if there is one, else in profile."""
    small = fit_within(rgb, SEARCH_SIDE_PX)
    grey = np.asarray(cv2.equalizeHist(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)), np.uint8)
    faces = _faces(grey, "frontalface_default") or _profiles(grey)
    if not faces:
        return None
    return max(faces, key=lambda face: face.certainty).at_scale(rgb.shape[1] / small.shape[1])


def estimate_face(rgb: Pixels, shown: Region | None) -> Face:
    """A face where one must be: above the neck of what is shown, else at the top by the proportions of people."""
    height, width = rgb.shape[:2]
    if shown is None or not shown.any():
        return _face_of(0.5 * width, 0.08 * height, min(0.35 * height, 0.33 * width))
    rows, columns = np.flatnonzero(shown.any(axis=1)), np.flatnonzero(shown.any(axis=0))
    top, tall, broad = int(rows[0]), int(rows[-1] - rows[0] + 1), int(columns[-1] - columns[0] + 1)
    whole_figure = tall > 1.7 * broad and rows[-1] < 0.98 * height
    usual = tall / HEADS_TALL if whole_figure else min(tall / 2.6, broad / 2.1)
    head = _head_above_neck(shown[top:].sum(axis=1).astype(np.float32)) or usual
    crown = shown[top : top + int(head) + 1]
    return _face_of(float(np.median(np.nonzero(crown)[1])), top, head)


def _face_of(middle: float, crown: float, head: float) -> Face:
    width = max(FACE_OF_HEAD * head, 1.0)
    return Face(middle - width / 2, crown + 0.3 * head, width)


def _head_above_neck(widths: Plane) -> float | None:
    """Rows from the crown to the narrowest place between a head and shoulders half as wide again; None without."""
    best, height = 0.85, None
    for row in range(4, int(len(widths) * 0.6)):
        head, shoulders = float(widths[:row].max()), float(widths[row : 2 * row].max())
        narrowness = float(widths[row]) / head
        if narrowness < best and shoulders > 1.5 * head:
            best, height = narrowness, float(row)
    return height


@cache
def _cascade(kind: str) -> cv2.CascadeClassifier:
    return cv2.CascadeClassifier(str(Path(cv2.__file__).parent / "data" / f"haarcascade_{kind}.xml"))


def _profiles(grey: Pixels) -> list[Face]:
    """Faces that look aside; the cascade knows one side only, so the picture is searched mirrored as well."""
    mirrored = _faces(grey[:, ::-1], "profileface")
    return _faces(grey, "profileface") + [replace(face, x=grey.shape[1] - face.x - face.width) for face in mirrored]


def _faces(grey: Pixels, kind: str) -> list[Face]:
    boxes, _, certainty = _cascade(kind).detectMultiScale3(
        np.ascontiguousarray(grey), 1.1, 5, minSize=(24, 24), outputRejectLevels=True
    )
    return [
        Face(float(x), float(y), float(width), float(sure))
        for (x, y, width, _), sure in zip(boxes, certainty, strict=True)
        if y + width / 2 < grey.shape[0] * 0.67
    ]

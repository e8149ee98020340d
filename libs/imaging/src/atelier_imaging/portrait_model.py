"""Separates people from the ground in portraits, with the segmentation model of the package ``mediapipe``."""

from functools import cache
from pathlib import Path

import cv2
import numpy as np

from atelier_imaging.geometry import Pixels, Plane
from atelier_imaging.model_package import model_file

INPUT_PX = 256


def find_people(rgb: Pixels) -> Plane | None:
    """(height, width) of 0..1, 1 where people are; None without the model."""
    if _path() is None:
        return None
    seen = cv2.resize(rgb, (INPUT_PX, INPUT_PX), interpolation=cv2.INTER_AREA)
    model = _model()
    model.setInput(np.ascontiguousarray((np.asarray(seen, np.float32) / 255).transpose(2, 0, 1)[None]))
    people = model.forward(model.getUnconnectedOutLayersNames())[0][0, 0]
    return np.asarray(cv2.resize(people, rgb.shape[1::-1], interpolation=cv2.INTER_LINEAR), np.float32)


def _path() -> Path | None:
    return model_file("selfie_segmentation", "selfie_segmentation.tflite")


@cache
def _model() -> cv2.dnn.Net:
    return cv2.dnn.readNetFromTFLite(str(_path()))

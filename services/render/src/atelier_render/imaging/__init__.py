"""Image work of the render service. Importing this loads no image library: those live in child processes only."""

from .pictures import EncodedPicture, ImageFormat, ImageRefused, PhotoInfo
from .workers import ImageQueueFull, ImageWorkerDied, ImageWorkers

__all__ = [
    "EncodedPicture",
    "ImageFormat",
    "ImageQueueFull",
    "ImageRefused",
    "ImageWorkerDied",
    "ImageWorkers",
    "PhotoInfo",
]

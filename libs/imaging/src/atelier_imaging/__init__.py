"""Image work in bounded child processes. Importing this loads no image library: only the children load them."""

from atelier_imaging.pictures import (
    Analysis,
    CompositionSpec,
    EncodedPicture,
    ImageFormat,
    ImageRefused,
    Inspection,
    PhotoInfo,
)
from atelier_imaging.pool import ImageQueueFull, ImageWorkerDied, ImageWorkers

__all__ = [
    "Analysis",
    "CompositionSpec",
    "EncodedPicture",
    "ImageFormat",
    "ImageQueueFull",
    "ImageRefused",
    "ImageWorkerDied",
    "ImageWorkers",
    "Inspection",
    "PhotoInfo",
]

"""Pictures in bounded child processes. Importing this loads no image library: those live in the children only."""

from atelier_imaging.pictures import Analysis, EncodedPicture, ImageFormat, ImageRefused, Order, PhotoInfo
from atelier_imaging.pool import ImageQueueFull, ImageWorkerDied, ImageWorkers

__all__ = [
    "Analysis",
    "EncodedPicture",
    "ImageFormat",
    "ImageQueueFull",
    "ImageRefused",
    "ImageWorkerDied",
    "ImageWorkers",
    "Order",
    "PhotoInfo",
]

"""Pictures in bounded child processes. Importing this loads no image library: those live in the children only."""

from .pictures import EncodedPicture, ImageFormat, ImageRefused, Order, PhotoInfo
from .workers import ImageQueueFull, ImageWorkerDied, ImageWorkers

__all__ = [
    "EncodedPicture",
    "ImageFormat",
    "ImageQueueFull",
    "ImageRefused",
    "ImageWorkerDied",
    "ImageWorkers",
    "Order",
    "PhotoInfo",
]

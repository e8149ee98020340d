"""Replicate's picture models: what is offered of them, and how a request is put to each."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from atelier_contracts.image_models import QUEUED_MODELS
from atelier_imaging.pictures import CONTENT_TYPES
from atelier_render.providers.protocol import Capabilities, Offer, ProviderJob
from atelier_render.providers.toolkit.fan_out import part_key
from atelier_render.providers.toolkit.image_words import prompt_of
from atelier_render.providers.toolkit.queue_provider import SQUARE, image_offer, picture_of, pictures_of, seed_of
from atelier_render.providers.toolkit.request_queue import QueuedRequest

IMAGE_MODELS = QUEUED_MODELS["replicate"]
TRY_ON_MODEL = "prunaai/p-image-try-on"
QUALITY = 95
"""Of JPEG and WebP, which the models make at 80 by default."""
FORMATS: Mapping[str, str] = {"png": "png", "jpeg": "jpg", "webp": "webp", "avif": "png"}


def capabilities(_: date) -> Capabilities:
    """What is offered on a day."""
    return Capabilities(offers(), reads_inputs=True, remote=True)


def offers() -> tuple[Offer, ...]:
    """The offers; the first model of the first row is the default."""
    formats = tuple(CONTENT_TYPES)
    worn = "The person's photograph decides the size; one garment at a time."
    return (
        image_offer(IMAGE_MODELS, formats, "A style becomes words of the prompt, and so does a mask."),
        Offer("try_on", models=(TRY_ON_MODEL,), formats=formats, note=worn),
    )


def requests_of(job: ProviderJob) -> Sequence[QueuedRequest]:
    """A request for each picture."""
    make = _try_on if job.spec.kind == "try_on" else _image
    return [make(job, index) for index in range(job.spec.n)]


def _image(job: ProviderJob, index: int) -> QueuedRequest:
    spec, pictures = job.spec, pictures_of(job)
    model, size = spec.model or IMAGE_MODELS[0], spec.size or SQUARE
    width, _, height = size.partition("x")
    sides = {"aspect_ratio": "custom", "width": int(width), "height": int(height)}
    arguments = {"prompt": prompt_of(spec), **sides, **_encoding(job, index)}
    files = {"input_images": pictures} if pictures else {}
    return QueuedRequest(model, model, arguments, part_key(job.key, index, spec.n), files, size)


def _try_on(job: ProviderJob, index: int) -> QueuedRequest:
    person, garment = picture_of(job, "person"), picture_of(job, "garment")
    files: dict[str, bytes | tuple[bytes, ...]] = {"person_image": person, "garment_images": (garment,)}
    key = part_key(job.key, index, job.spec.n)
    return QueuedRequest(TRY_ON_MODEL, TRY_ON_MODEL, _encoding(job, index), key, files)


def _encoding(job: ProviderJob, index: int) -> dict[str, Any]:
    encoded = {"output_format": FORMATS[job.spec.format], "output_quality": QUALITY}
    return {"seed": seed_of(job, index), **encoded}

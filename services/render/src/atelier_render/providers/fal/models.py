"""fal's picture models: what is offered of them, and how a request is put to each."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from atelier_contracts.image_models import QUEUED_MODELS
from atelier_imaging.pictures import CONTENT_TYPES
from atelier_render.providers.protocol import Capabilities, Offer, ProviderJob
from atelier_render.providers.toolkit.fan_out import part_key
from atelier_render.providers.toolkit.image_words import prompt_of
from atelier_render.providers.toolkit.queue_provider import (
    SQUARE,
    image_offer,
    picture_of,
    pictures_of,
    seed_of,
)
from atelier_render.providers.toolkit.request_queue import QueuedRequest

IMAGE_MODELS = QUEUED_MODELS["fal"]
TRY_ON_MODEL = "fal-ai/fashn/tryon/v1.6"
EDIT = "/edit"
"""Of each picture model, the endpoint that takes pictures too."""


def capabilities(_: date) -> Capabilities:
    """What is offered on a day."""
    return Capabilities(offers(), reads_inputs=True, remote=True)


def offers() -> tuple[Offer, ...]:
    """The offers; the first model of the first row is the default."""
    formats = tuple(CONTENT_TYPES)
    note = "A style becomes words of the prompt, and so does a mask; WebP is encoded here."
    worn = "The model decides the size; one garment at a time."
    return (
        image_offer(IMAGE_MODELS, formats, note),
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
    arguments: Mapping[str, Any] = {
        "prompt": prompt_of(spec),
        "image_size": {"width": int(width), "height": int(height)},
        "seed": seed_of(job, index),
        "output_format": _format(spec.format),
    }
    files = {"image_urls": pictures} if pictures else {}
    endpoint = model + EDIT if pictures else model
    return QueuedRequest(model, endpoint, arguments, part_key(job.key, index, spec.n), files, size)


def _try_on(job: ProviderJob, index: int) -> QueuedRequest:
    spec = job.spec
    arguments = {"seed": seed_of(job, index), "output_format": _format(spec.format)}
    files = {"model_image": picture_of(job, "person"), "garment_image": picture_of(job, "garment")}
    return QueuedRequest(TRY_ON_MODEL, TRY_ON_MODEL, arguments, part_key(job.key, index, spec.n), files)


def _format(wanted: str) -> str:
    """As fal makes it: nothing is lost by a PNG that is encoded again."""
    return "jpeg" if wanted == "jpeg" else "png"

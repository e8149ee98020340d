"""The picture models of Black Forest Labs: what is offered of them, and how a request is put to each."""

from collections.abc import Sequence
from datetime import date

from atelier_contracts.image_models import QUEUED_MODELS
from atelier_imaging.pictures import CONTENT_TYPES
from atelier_render.providers.protocol import Capabilities, Offer, ProviderJob
from atelier_render.providers.toolkit.fan_out import part_key
from atelier_render.providers.toolkit.image_words import prompt_of
from atelier_render.providers.toolkit.queue_provider import SQUARE, image_offer, pictures_of, seed_of
from atelier_render.providers.toolkit.request_queue import QueuedRequest

IMAGE_MODELS = QUEUED_MODELS["bfl"]


def capabilities(_: date) -> Capabilities:
    """What is offered on a day."""
    return Capabilities(offers(), reads_inputs=True, remote=True)


def offers() -> tuple[Offer, ...]:
    """The offers; the first model of the row is the default."""
    note = "A style becomes words of the prompt, and so does a mask; WebP is encoded here."
    return (image_offer(IMAGE_MODELS, tuple(CONTENT_TYPES), note),)


def requests_of(job: ProviderJob) -> Sequence[QueuedRequest]:
    """A request for each picture."""
    return [_image(job, index) for index in range(job.spec.n)]


def _image(job: ProviderJob, index: int) -> QueuedRequest:
    spec, model, size = job.spec, job.spec.model or IMAGE_MODELS[0], job.spec.size or SQUARE
    width, _, height = size.partition("x")
    sides = {"width": int(width), "height": int(height)}
    output = {"output_format": "jpeg" if spec.format == "jpeg" else "png", "seed": seed_of(job, index)}
    names = ("input_image", *(f"input_image_{number}" for number in range(2, 9)))
    files: dict[str, bytes | tuple[bytes, ...]] = dict(zip(names, pictures_of(job), strict=False))
    arguments = {"prompt": prompt_of(spec), **sides, **output}
    return QueuedRequest(model, f"/v1/{model}", arguments, part_key(job.key, index, spec.n), files, size)

"""The provider that needs nobody else: composes pictures on this machine, in worker processes of its own."""

import asyncio

from atelier_imaging.pictures import EncodedPicture, ImageRefused
from atelier_imaging.workers import ImageQueueFull, ImageWorkerDied, ImageWorkers
from atelier_render.providers.protocol import (
    Capabilities,
    Failed,
    Offer,
    Outcome,
    Picture,
    ProviderJob,
    RateLimited,
    Succeeded,
    Unknown,
)

RETRY_AFTER_S = 1.0


class Local:
    """Makes try-ons from a person's photograph and the garments'. The same inputs and seed give the same bytes."""

    name = "local"
    capabilities = Capabilities(offers={"try_on": Offer()}, reads_inputs=True)

    def __init__(self, workers: ImageWorkers) -> None:
        self._workers = workers

    async def submit(self, job: ProviderJob) -> Outcome:
        """The n pictures of a job, each from the seed after the one before."""
        photos = _person_and_garments(job)
        if isinstance(photos, Failed):
            return photos
        person, garments = photos
        seeds = range(job.spec.seed, job.spec.seed + job.spec.n)
        try:
            made = await asyncio.gather(*(self._one(job, person, garments, seed) for seed in seeds))
        except ImageWorkerDied as died:
            return Failed("provider_failed", f"the image worker did not survive this job: {died}")
        except ImageQueueFull:
            return RateLimited(RETRY_AFTER_S)
        refused = next((picture for picture in made if isinstance(picture, ImageRefused)), None)
        if refused:
            return Failed("invalid_input", refused.message)
        pictures = tuple(_picture(picture) for picture in made if isinstance(picture, EncodedPicture))
        return Succeeded(pictures, len(pictures))

    async def recall(self, key: str) -> Outcome:  # noqa: ARG002 - the protocol's
        """Never needed: an answer from our own child cannot be lost on the way."""
        return Unknown()

    async def _one(
        self, job: ProviderJob, person: bytes, garments: list[bytes], seed: int
    ) -> EncodedPicture | ImageRefused:
        for last in (False, True):
            try:
                return await self._workers.try_on(person, garments, seed=seed, image_format=job.spec.format)
            except ImageWorkerDied:
                # Once more: it may have been the neighbour's memory that the kernel wanted back.
                if last:
                    raise
        raise AssertionError("the last try answers or raises")


def _person_and_garments(job: ProviderJob) -> tuple[bytes, list[bytes]] | Failed:
    """The person is the input of that role, else the first; all others are garments (REQUIREMENTS, tRPC: person first,
    then garments)."""
    inputs = list(job.inputs)
    if len(inputs) < 2:
        return Failed("invalid_input", "a try-on needs the photo of a person and at least one of a garment")
    place = next((index for index, given in enumerate(inputs) if given.role == "person"), 0)
    person = inputs.pop(place)
    return person.data, [garment.data for garment in inputs]


def _picture(made: EncodedPicture) -> Picture:
    return Picture(made.data, made.content_type, made.width, made.height, made.sha256)

"""The built-in provider: composes pictures on this machine, in worker processes of its own."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Literal, cast, get_args

from atelier_contracts import Kind, RenderSpec
from atelier_contracts.catalogue import BACKGROUNDS, MANNEQUINS
from atelier_contracts.value_objects import IMAGES_MAX
from atelier_imaging.pictures import CONTENT_TYPES, CompositionSpec, EncodedPicture, ImageRefused
from atelier_imaging.pool import ImageQueueFull, ImageWorkerDied, ImageWorkers
from atelier_render.providers.protocol import (
    Capabilities,
    Failed,
    Offer,
    Picture,
    ProviderJob,
    ProviderOutcome,
    RateLimited,
    Succeeded,
    Transient,
)
from atelier_render.providers.toolkit.try_on_inputs import person_and_garments

RETRY_AFTER_S = 1.0
PREVIEW_DIVISORS = (8, 4, 2)
"""The sides of previews are drawn this many times smaller, the last of them for a client that waits for one alone."""
PREVIEW_SIDE_PX_MIN = 32
SEEDS = 1 << 62
FORMATS = tuple(CONTENT_TYPES)
RATIOS = ("1:1", "16:9", "9:16", "3:2", "2:3")
STUDIO_RATIOS = ("2:3", "1:1", "3:2", "16:9", "9:16")
LONG_SIDE_PX: Mapping[Kind, Mapping[str, int]] = {
    "product_shot": {"standard": 1024, "high": 1280, "ultra": 1536},
    "on_model": {"high": 1536, "medium": 1024, "low": 768},
    "flat_lay": {"high": 1536, "medium": 1024, "low": 768},
}
"""Of a size given as a ratio, by quality."""

OFFERS = (
    Offer(
        "try_on",
        formats=FORMATS,
        note="The person's photograph decides the size; its long side is 1024 to 1536. Garments follow the pose "
        "where the pose model is installed; the receipt names it as the model if it was used.",
    ),
    Offer(
        "image",
        modes=("words", "edit", "variation"),
        sizes=("1024x1024", "256x256", "512x512", "1792x1024", "1024x1792", "1536x1024", "1024x1536"),
        styles=("natural", "vivid", "artistic", "photographic"),
        qualities=("standard", "low", "hd", "xhigh", "max"),
        formats=FORMATS,
        any_size=True,
        transparent=True,
        images_max=IMAGES_MAX,
        note="Other sizes too, up to 3840x2160; edits go with or without a mask.",
    ),
    Offer(
        "product_shot",
        sizes=(*RATIOS, "1024x1024", "1536x864", "864x1536", "1536x1024", "1024x1536"),
        styles=("realistic", "artistic", "minimal"),
        qualities=tuple(LONG_SIDE_PX["product_shot"]),
        formats=FORMATS,
        note="Products on a set; with a photograph of role model they are worn.",
    ),
    Offer(
        "on_model",
        sizes=STUDIO_RATIOS,
        qualities=tuple(LONG_SIDE_PX["on_model"]),
        formats=FORMATS,
        note="On a mannequin, before a background of the catalogue.",
    ),
    Offer(
        "flat_lay",
        sizes=("1:1", *(ratio for ratio in STUDIO_RATIOS if ratio != "1:1")),
        qualities=tuple(LONG_SIDE_PX["flat_lay"]),
        formats=FORMATS,
        note="Seen from above, on a background of the catalogue.",
    ),
)
OFFER_OF: Mapping[Kind, Offer] = {offer.kind: offer for offer in OFFERS}
NEEDED: Mapping[Kind, str] = {"product_shot": "product", "on_model": "photo", "flat_lay": "photo"}
"""The role without which there is nothing to show."""

Given = list[tuple[str, bytes]]
Scene = Literal["try_on", "image", "product_shot", "on_model", "flat_lay"]


class Local:
    """Makes every kind of picture. The same inputs, words and seed give the same bytes, until the composer's version
    is raised."""

    name = "local"
    capabilities = Capabilities(offers=OFFERS, reads_inputs=True)

    def __init__(self, workers: ImageWorkers, *, last_resort: bool = False) -> None:
        self._workers = workers
        self.capabilities = replace(Local.capabilities, last_resort=last_resort)

    async def submit(self, job: ProviderJob) -> ProviderOutcome:
        """The n pictures of a job, each from the seed after the one before."""
        given = _check_inputs(job)
        if isinstance(given, Failed):
            return given
        done = Counter[str]()
        try:
            await self._preview(job, given)
            made = await asyncio.gather(*(self._one(job, given, index, done) for index in range(job.spec.n)))
        except ImageWorkerDied as error:
            return Failed("provider_failed", f"the image worker did not survive this job: {error}")
        except ImageQueueFull:
            return RateLimited(RETRY_AFTER_S)
        refused = next((picture for picture in made if isinstance(picture, ImageRefused)), None)
        if refused:
            return Failed("invalid_input", refused.message)
        encoded = [picture for picture in made if isinstance(picture, EncodedPicture)]
        model = next((picture.model for picture in encoded if picture.model), None)
        return Succeeded(tuple(map(_picture, encoded)), len(encoded), model)

    async def recall(self, job: ProviderJob) -> ProviderOutcome:  # noqa: ARG002 - the protocol's
        """What our children had not handed over died with us."""
        return Transient("nothing was made")

    async def _preview(self, job: ProviderJob, given: Given) -> None:
        """Shows the first picture drawn coarsely, then less so: the same composition from fewer pixels."""
        order = order_of(job.spec, 0) if job.spec.previews else None
        if order is None or not order.width:
            return
        divisors = [by for by in PREVIEW_DIVISORS if min(order.width, order.height) // by >= PREVIEW_SIDE_PX_MIN]
        for done, by in enumerate(divisors[-job.spec.previews :], 1):
            small = await self._compose(replace(order, width=order.width // by, height=order.height // by), given)
            if isinstance(small, ImageRefused):
                return  # the picture itself will be refused, in words
            whole = await self._workers.fit(
                small.data,
                width=order.width,
                height=order.height,
                image_format=order.image_format,
                transparent=order.transparent,
                compression=order.compression,
            )
            if isinstance(whole, EncodedPicture):
                job.tell(10 * done)
                await job.show(_picture(whole))

    async def _one(
        self, job: ProviderJob, given: Given, index: int, done: Counter[str]
    ) -> EncodedPicture | ImageRefused:
        picture = await self._compose(order_of(job.spec, index), given)
        done["pictures"] += 1
        job.tell(100 * done["pictures"] // job.spec.n)
        return picture

    async def _compose(self, order: CompositionSpec, given: Given) -> EncodedPicture | ImageRefused:
        for last in (False, True):
            try:
                return await self._workers.compose(order, given)
            except ImageWorkerDied:
                # Once more: it may have been the neighbour's memory that the kernel wanted back.
                if last:
                    raise
        raise AssertionError("the last try answers or raises")


def order_of(spec: RenderSpec, index: int) -> CompositionSpec:
    """The composer's input for the requested picture at an index from 0."""
    assert spec.kind in get_args(Scene), "nothing else is offered"
    width, height = sides_of(spec)
    return CompositionSpec(
        kind=cast(Scene, spec.kind),
        seed=(spec.seed + index) % SEEDS,
        image_format=spec.format,
        width=width,
        height=height,
        prompt=spec.prompt or "",
        style=spec.style or "",
        quality=spec.quality or "",
        mannequin=spec.mannequin or "",
        background=spec.background or "",
        transparent=spec.transparent,
        compression=spec.compression,
    )


def sides_of(spec: RenderSpec) -> tuple[int, int]:
    """Width and height in pixels; zeros where a photograph decides: in try-ons, and in edits that name no size."""
    offer = OFFER_OF[spec.kind]
    if not offer.sizes or (spec.kind == "image" and spec.inputs and spec.size is None):
        return 0, 0
    size = spec.size or offer.sizes[0]
    if "x" in size:
        width, height = map(int, size.split("x"))
        return width, height
    across, down = map(int, size.split(":"))
    long_side = LONG_SIDE_PX[spec.kind][spec.quality or offer.qualities[0]]
    unit = long_side / max(across, down)
    return round(across * unit), round(down * unit)


def _check_inputs(job: ProviderJob) -> Given | Failed:
    """The inputs by role as the composer takes them, or what is wrong with them."""
    if job.spec.kind == "try_on":
        worn = person_and_garments(job)
        if isinstance(worn, Failed):
            return worn
        person, garments = worn
        return [("person", person.data), *(("garment", garment.data) for garment in garments)]
    spec, needed = job.spec, NEEDED.get(job.spec.kind)
    if needed and not any(given.role == needed for given in job.inputs):
        return Failed("invalid_input", f"a {spec.kind} needs at least one {needed} photo")
    if spec.mannequin and spec.mannequin not in MANNEQUINS:
        return Failed("invalid_input", f"there is no mannequin {spec.mannequin}")
    if spec.background and spec.background not in BACKGROUNDS:
        return Failed("invalid_input", f"there is no background {spec.background}")
    return [(given.role, given.data) for given in job.inputs]


def _picture(made: EncodedPicture) -> Picture:
    return Picture(made.data, made.content_type, made.width, made.height, made.sha256)

"""A provider that pretends: every outcome a real one can have, at will and at once. For tests, demos and measuring."""

import asyncio
from collections import OrderedDict
from dataclasses import replace
from typing import get_args

from atelier_contracts import Kind, RenderSpec, Simulation
from atelier_imaging.pictures import EncodedPicture
from atelier_imaging.pool import ImageQueueFull, ImageWorkerDied, ImageWorkers
from atelier_render.providers.local.images import OFFER_OF, sides_of
from atelier_render.providers.protocol import (
    Capabilities,
    Failed,
    Offer,
    Partial,
    Picture,
    ProviderJob,
    ProviderOutcome,
    Succeeded,
    Transient,
    Unknown,
)
from atelier_render.providers.sample_outputs import sample_picture, sample_sound
from atelier_render.providers.toolkit.narration_script import CONTENT_TYPES as SOUND_TYPES

OPEN_SIDES_PX = (768, 1024)
"""Where a photograph would decide, which is not looked at here."""
REMEMBERED_MAX = 1_000


class Simulator:
    """Obeys ``spec.simulate``. Remembers what it made, so that a lost answer can be recalled."""

    name = "simulator"
    capabilities = Capabilities(
        offers=tuple(Offer(kind, transparent=True) for kind in get_args(Kind)), reads_inputs=False, simulates=True
    )

    def __init__(self, images: ImageWorkers, *, attempt_s: float) -> None:
        self._images = images
        self._attempt_s = attempt_s
        self._made: OrderedDict[str, ProviderOutcome] = OrderedDict()

    async def submit(self, job: ProviderJob) -> ProviderOutcome:
        """Waits for the simulated delay, then ends as simulated."""
        orders = job.spec.simulate or Simulation()
        await self._preview(job)
        if orders.delay_ms:
            await asyncio.sleep(orders.delay_ms / 1_000)
        if orders.outcome == "timeout":
            await asyncio.sleep(self._attempt_s)
        try:
            return await self._with_requested_format(job, await asyncio.to_thread(self.decide, job, orders))
        except (ImageWorkerDied, ImageQueueFull) as error:
            return Transient(f"the picture could not be encoded: {error}")

    async def _preview(self, job: ProviderJob) -> None:
        """Shows as many previews as are waited for, each a picture of its own."""
        for index in range(job.spec.previews):
            made = _sample(job, -1 - index)
            try:
                await job.show(await self._encode(made, job.spec))
            except (ImageWorkerDied, ImageQueueFull):
                return

    def decide(self, job: ProviderJob, orders: Simulation) -> ProviderOutcome:
        """The outcome itself, without any waiting: pure but for the memory of a lost answer. Pictures are PNGs."""
        n = job.spec.n
        match orders.outcome:
            case "succeed" | "corrupt":
                return Succeeded(_outputs(job, orders, n), n)
            case "partial":
                made = min(n, max(n - 1, 0) if orders.delivered is None else orders.delivered)
                return Partial(_outputs(job, orders, made), made)
            case "lost_response":
                self._remember(job.key, Succeeded(_outputs(job, orders, n), n))
                return Unknown()
            case "timeout":
                return Failed("provider_timeout", f"the simulator did not answer within {self._attempt_s:g} s")
            case "fail":
                return Failed("provider_failed", "the simulator was told to fail")

    async def recall(self, job: ProviderJob) -> ProviderOutcome:
        """What it made under this key."""
        return await self._with_requested_format(job, self._made.get(job.key, Unknown()))

    async def _with_requested_format(self, job: ProviderJob, outcome: ProviderOutcome) -> ProviderOutcome:
        """Its pictures in the requested format; broken ones are corrupted afterwards."""
        if not isinstance(outcome, Succeeded | Partial):
            return outcome
        made = [await self._encode(picture, job.spec) for picture in outcome.pictures]
        if (job.spec.simulate or Simulation()).outcome == "corrupt":
            made = [_corrupt(picture) for picture in made]
        return replace(outcome, pictures=tuple(made))

    async def _encode(self, picture: Picture, spec: RenderSpec) -> Picture:
        if picture.content_type != "image/png" or spec.format == "png":
            return picture
        made = await self._images.fit(
            picture.data, width=0, height=0, image_format=spec.format, compression=spec.compression
        )
        assert isinstance(made, EncodedPicture), made
        return Picture(made.data, made.content_type, made.width, made.height, made.sha256)

    def _remember(self, key: str, outcome: ProviderOutcome) -> None:
        self._made[key] = outcome
        while len(self._made) > REMEMBERED_MAX:
            self._made.popitem(last=False)


def _outputs(job: ProviderJob, orders: Simulation, count: int) -> tuple[Picture, ...]:
    if not orders.picture:
        return ()
    spec = job.spec
    if spec.kind == "narration":
        return tuple(Picture(sample_sound(spec.audio_format), SOUND_TYPES[spec.audio_format]) for _ in range(count))
    return tuple(_sample(job, index) for index in range(count))


def _sample(job: ProviderJob, index: int) -> Picture:
    sides = sides_of(job.spec) if job.spec.kind in OFFER_OF else (0, 0)
    width, height = sides if all(sides) else OPEN_SIDES_PX
    data = sample_picture(job.spec.seed + index, width, height, is_test=job.owner.is_test)
    return Picture(data, "image/png", width, height)


def _corrupt(picture: Picture) -> Picture:
    return replace(picture, data=picture.data[:-20])

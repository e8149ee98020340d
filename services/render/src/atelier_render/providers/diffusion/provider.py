"""The provider with a model of our own: what a request asks for, in the words of a diffusion model."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace

from atelier_contracts import RenderSpec
from atelier_render.providers.diffusion.batcher import Batcher, NotMade
from atelier_render.providers.diffusion.engine_process import EngineProcess
from atelier_render.providers.diffusion.settings import STYLES, TRY_ON_STRENGTH, DiffusersSettings, sides_of
from atelier_render.providers.diffusion.wire import Drawn, Item, Recipe, Rejected
from atelier_render.providers.protocol import (
    Capabilities,
    Failed,
    Input,
    Picture,
    ProviderJob,
    ProviderOutcome,
    Refused,
    Succeeded,
    Transient,
    mode_of,
)
from atelier_render.providers.toolkit.fan_out import combine_outcomes
from atelier_render.providers.toolkit.image_size import sides
from atelier_render.providers.toolkit.try_on_inputs import person_and_garments

SEEDS = 1 << 63


class Diffusers:
    """Makes pictures of kind image and, where that is switched on, try-ons. The same request gives the same pictures on
    the same device."""

    name = "diffusers"

    def __init__(self, settings: DiffusersSettings) -> None:
        self.capabilities = Capabilities(settings.offers, reads_inputs=True)
        self._settings = settings
        self._model = EngineProcess(settings)
        self._batches = Batcher(self._model, batch_max=settings.batch_max, window_s=settings.batch_window_ms / 1_000)

    async def submit(self, job: ProviderJob) -> ProviderOutcome:
        """The n pictures of a job, each from the seed after the one before."""
        if (wrong := _wrong_with(job)) is not None:
            return Failed("invalid_input", wrong)
        dressed = person_and_garments(job) if job.spec.kind == "try_on" else None
        if isinstance(dressed, Failed):
            return dressed
        if dressed is None:
            recipe, first = self._recipe(job), self._item(job)
        else:
            recipe, first = self._dressing(job, *dressed)
        items = [replace(first, seed=(job.spec.seed + index) % SEEDS) for index in range(job.spec.n)]
        tell = _progress(job)
        made = await asyncio.gather(
            *(self._batches.make(recipe, item, tell(index)) for index, item in enumerate(items))
        )
        return combine_outcomes([_outcome(item) for item in made], wanted=job.spec.n)

    async def recall(self, job: ProviderJob) -> ProviderOutcome:  # noqa: ARG002 - the protocol's
        """What was under way died with us."""
        return Transient("nothing was made")

    async def close(self) -> None:
        """Ends the process with the model."""
        await self._batches.close()
        await self._model.close()

    def _recipe(self, job: ProviderJob) -> Recipe:
        spec, settings = job.spec, self._settings
        mode = mode_of(spec) or "words"
        masked = mode == "edit" and any(given.role == "mask" for given in job.inputs)
        picture = next((given.data for given in job.inputs if given.role == "image"), None)
        width, height = sides_of(spec.size or size_like(settings.sizes, picture))
        steps, guidance_scale = self._effort(spec)
        strength = spec.tuning.strength if spec.tuning else settings.strength
        return Recipe("masked" if masked else mode, width, height, steps, guidance_scale, strength)

    def _item(self, job: ProviderJob) -> Item:
        """The first of a job; the others differ by their seeds."""
        spec = job.spec
        roles = {given.role: given.data for given in reversed(job.inputs)}
        picture = roles.get("image") if mode_of(spec) != "words" else None
        return Item(
            prompt=_prompt(spec),
            negative_prompt=self._settings.negative_prompt,
            seed=spec.seed,
            image_format=spec.format,
            picture=picture,
            mask=roles.get("mask") if picture and spec.prompt else None,
        )

    def _dressing(self, job: ProviderJob, person: Input, garments: tuple[Input, ...]) -> tuple[Recipe, Item]:
        """The same of a try-on."""
        spec, settings = job.spec, self._settings
        width, height = sides_of(size_like(settings.try_on_sizes, person.data))
        item = Item(
            prompt=" ".join(filter(None, (settings.try_on_prompt, spec.prompt))),
            negative_prompt=settings.negative_prompt,
            seed=spec.seed,
            image_format=spec.format,
            picture=person.data,
            garments=tuple(garment.data for garment in garments),
        )
        return Recipe("try_on", width, height, *self._effort(spec), TRY_ON_STRENGTH, len(garments)), item

    def _effort(self, spec: RenderSpec) -> tuple[int, float]:
        """Steps and guidance scale."""
        tuning, settings = spec.tuning, self._settings
        if tuning:
            return tuning.num_inference_steps, tuning.guidance_scale
        return settings.steps, settings.guidance_scale


def size_like(sizes: Sequence[str], picture: bytes | None) -> str:
    """The first size there is; for a picture that is changed, the one shaped most like it."""
    given = sides(picture) if picture is not None else None
    if given is None:
        return sizes[0]
    shape = given[0] / given[1]
    return min(sizes, key=lambda size: abs(sides_of(size)[0] / sides_of(size)[1] - shape))


def _wrong_with(job: ProviderJob) -> str | None:
    if mode_of(job.spec) == "words" and not job.spec.prompt:
        return "it says neither in words nor by a picture what is wanted"
    for place, given in enumerate(job.inputs, 1):
        if sides(given.data) is None:
            return f"input {place} ({given.role}) is not a PNG, JPEG or WebP picture"
    return None


def _prompt(spec: RenderSpec) -> str:
    return ", ".join(filter(None, (spec.prompt, STYLES.get(spec.style or ""))))


def _progress(job: ProviderJob) -> Callable[[int], Callable[[float], None]]:
    """For each picture what takes its part of the progress."""
    done = [0.0] * job.spec.n

    def of(index: int) -> Callable[[float], None]:
        def tell(fraction: float) -> None:
            done[index] = fraction
            job.tell(int(100 * sum(done) / len(done)))

        return tell

    return of


def _outcome(made: Drawn | Rejected | NotMade) -> ProviderOutcome:
    match made:
        case Drawn():
            return Succeeded((Picture(made.data, made.content_type, made.width, made.height),), 1)
        case Rejected("refused", reason):
            return Refused(reason)
        case Rejected(_, reason):
            return Failed("invalid_input", reason)
        case NotMade(reason, passing=True):
            return Transient(reason)
        case NotMade(reason):
            return Failed("provider_failed", reason)

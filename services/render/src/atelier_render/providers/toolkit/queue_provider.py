"""A provider that queues requests: what its package declares, run as a provider."""

from collections.abc import Callable, Sequence
from datetime import date

from atelier_contracts.model_lifecycles import utc_today
from atelier_render.providers.protocol import Capabilities, Failed, Mode, Offer, ProviderJob, ProviderOutcome, mode_of
from atelier_render.providers.toolkit.file_checks import type_of
from atelier_render.providers.toolkit.image_normaliser import ImageNormaliser
from atelier_render.providers.toolkit.image_words import STYLE_WORDS
from atelier_render.providers.toolkit.output_files import OutputFiles
from atelier_render.providers.toolkit.request_queue import QueuedRequest, RemoteQueue, RequestRunner

SQUARE = "1024x1024"
SIZES = (SQUARE, "1792x1024", "1024x1792")
ALL_MODES: tuple[Mode, ...] = ("words", "edit", "variation")
SEEDS = 1 << 31


class QueueProvider:
    """The provider of one package. ``requests_of`` puts a job as requests, one a picture."""

    def __init__(
        self,
        name: str,
        url: str,
        queue: RemoteQueue,
        normaliser: ImageNormaliser,
        *,
        capabilities: Callable[[date], Capabilities],
        requests_of: Callable[[ProviderJob], Sequence[QueuedRequest]],
        today: Callable[[], date] = utc_today,
    ) -> None:
        self.name = name
        self.url = url
        self.runner = RequestRunner(queue, OutputFiles(url, normaliser))
        self._capabilities = capabilities
        self._requests_of = requests_of
        self._today = today

    @property
    def capabilities(self) -> Capabilities:
        """Today's offers: models are withdrawn while this process runs."""
        return self._capabilities(self._today())

    async def submit(self, job: ProviderJob) -> ProviderOutcome:
        """Submits a request for each picture, and follows all to their ends. Cancelling cancels those that were taken,
        unless another process goes on with the job."""
        wrong = wrong_with(job)
        return wrong or await self.runner.submit(job, self._requests_of(job))

    async def recall(self, job: ProviderJob) -> ProviderOutcome:
        """What became of the requests that were taken. Unknown where none is known to have been."""
        return await self.runner.recall(job, self._requests_of(job))

    async def close(self) -> None:
        """Lets go of what it holds."""
        await self.runner.close()


def image_offer(models: tuple[str, ...], formats: tuple[str, ...], note: str) -> Offer:
    """Pictures of the sizes that all of these services make to the pixel."""
    return Offer("image", ALL_MODES, models, SIZES, tuple(STYLE_WORDS), ("standard",), formats, note=note)


def wrong_with(job: ProviderJob) -> Failed | None:
    """What is wrong with the request, before anything leaves."""
    if not job.spec.prompt and mode_of(job.spec) == "words":
        return Failed("invalid_input", "a picture needs words, or a picture to vary")
    for given in job.inputs:
        if not (type_of(given.data) or "").startswith("image/"):
            return Failed("invalid_input", f"the input of role {given.role} is no PNG, JPEG or WebP picture")
    return None


def pictures_of(job: ProviderJob) -> tuple[bytes, ...]:
    """The pictures to edit or vary; a mask comes last."""
    given = sorted((given for given in job.inputs if given.role in ("image", "mask")), key=lambda g: g.role == "mask")
    return tuple(each.data for each in given)


def picture_of(job: ProviderJob, role: str) -> bytes:
    """The first picture of this role. Raises StopIteration where there is none."""
    return next(given.data for given in job.inputs if given.role == role)


def seed_of(job: ProviderJob, index: int) -> int:
    """The seed of one picture of several."""
    return (job.spec.seed + index) % SEEDS

"""The provider that Google's Gemini API is: pictures from words, edits and variations, by the official SDK.

Retries are the scheduler's: the SDK's own are off. The API cannot report the outcome of an earlier request, so a lost
answer stays unknown.
"""

import asyncio
from collections.abc import Callable
from datetime import date

import httpx2
from google import genai
from google.genai import errors, types

from atelier_contracts.model_lifecycles import utc_today
from atelier_render.providers.google import models
from atelier_render.providers.google.errors import outcome_of, without_picture
from atelier_render.providers.google.models import Wire
from atelier_render.providers.google.usage import content_usage
from atelier_render.providers.protocol import (
    Capabilities,
    Failed,
    ProviderJob,
    ProviderOutcome,
    Succeeded,
    Unknown,
    mode_of,
    with_model,
)
from atelier_render.providers.toolkit.fan_out import combine_outcomes, part_key, run_concurrently
from atelier_render.providers.toolkit.file_checks import type_of
from atelier_render.providers.toolkit.http_client import ANSWER_BYTES_MAX, AnswerTooLarge, client, outcome_of_lost_call
from atelier_render.providers.toolkit.image_normaliser import ImageNormaliser, TargetImage, Unusable
from atelier_render.providers.toolkit.image_words import prompt_of

GOOGLE_URL = "https://generativelanguage.googleapis.com"
ANSWER_S_MAX = 180.0
API_VERSION = "v1beta"
KEY_HEADER = "Idempotency-Key"
"""The API does not know it; proxies and simulators may."""
_NOT_READ = (ValueError, TypeError, AttributeError, KeyError)
"""What the SDK raises where an answer is not of the form it expects."""


class Google:
    """Asks the Gemini API."""

    name = "google"

    def __init__(
        self,
        key: str,
        finishing: ImageNormaliser,
        *,
        base_url: str | None = None,
        answer_s_max: float = ANSWER_S_MAX,
        answer_bytes_max: int = ANSWER_BYTES_MAX,
        today: Callable[[], date] = utc_today,
    ) -> None:
        self._http = client(answer_s_max=answer_s_max, answer_bytes_max=answer_bytes_max)
        # Never None: the SDK would look for an address in the environment.
        self.url = base_url or GOOGLE_URL
        options = types.HttpOptions(
            base_url=self.url,
            api_version=API_VERSION,
            httpx_async_client=self._http,
            timeout=round(answer_s_max * 1_000),
        )
        self._sdk = genai.Client(vertexai=False, api_key=key, http_options=options)
        self._finishing = finishing
        self._answer_s_max = answer_s_max
        self._today = today

    @property
    def capabilities(self) -> Capabilities:
        """Today's offers: models are withdrawn while this process runs."""
        return models.capabilities(self._today())

    async def submit(self, job: ProviderJob) -> ProviderOutcome:
        """The pictures, each by a call of its own. Cancelling closes the connections; the work may go on at Google."""
        contents = _contents(job)
        if isinstance(contents, Failed):
            return contents
        wire, done = models.wire_of(job.spec.model, self._today()), list[int]()

        async def one(index: int) -> ProviderOutcome:
            outcome = await self._call_api(job, wire, contents, index)
            done.append(index)
            job.tell(100 * len(done) // job.spec.n)
            return outcome

        return with_model(wire.model, combine_outcomes(await run_concurrently(job.spec.n, one), wanted=job.spec.n))

    async def recall(self, job: ProviderJob) -> ProviderOutcome:  # noqa: ARG002 - the protocol's
        """Always Unknown: the API keeps no record of requests."""
        return Unknown()

    async def close(self) -> None:
        """Lets the connections go."""
        await self._sdk.aio.aclose()
        await self._http.aclose()

    async def _call_api(self, job: ProviderJob, wire: Wire, contents: types.Content, index: int) -> ProviderOutcome:
        """The outcome of one call, whatever it raised."""
        job.meter.begin(wire.model)
        try:
            async with asyncio.timeout(self._answer_s_max):
                answer = await self._sdk.aio.models.generate_content(
                    model=wire.model, contents=contents, config=_config(job, wire, index)
                )
        except TimeoutError:
            return Unknown()
        except errors.APIError as error:
            job.meter.end()
            return outcome_of(error)
        except httpx2.TransportError as error:
            outcome = outcome_of_lost_call(error)
            if not isinstance(outcome, Unknown):
                job.meter.end()
            return outcome
        except AnswerTooLarge as error:
            return Failed("provider_failed", f"Google's answer was not taken: {error}")
        except _NOT_READ:
            return Failed("provider_failed", "Google's answer could not be understood")
        usage, reported = content_usage(answer)
        job.meter.end(usage, reported=reported, request_id=answer.response_id)
        return await self._picture(job, answer)

    async def _picture(self, job: ProviderJob, answer: types.GenerateContentResponse) -> ProviderOutcome:
        data = next((part.inline_data.data for part in answer.parts or () if part.inline_data), None)
        if not data:
            return without_picture(answer)
        made = await self._finishing.normalise(data, TargetImage.by(job.spec, models.size_of(job.spec)))
        if isinstance(made, Unusable):
            return Failed("provider_failed", f"what Google made is unusable: {made.reason}")
        return Succeeded((made,), 1)


def _contents(job: ProviderJob) -> types.Content | Failed:
    """The pictures and then the words, or what is wrong with the request."""
    if not job.spec.prompt and mode_of(job.spec) == "words":
        return Failed("invalid_input", "a picture needs words, or a picture to vary")
    parts = []
    for given in sorted(job.inputs, key=lambda given: given.role == "mask"):
        content_type = type_of(given.data) or ""
        if not content_type.startswith("image/"):
            return Failed("invalid_input", f"the input of role {given.role} is no PNG, JPEG or WebP picture")
        parts.append(types.Part.from_bytes(data=given.data, mime_type=content_type))
    return types.Content(role="user", parts=[*parts, types.Part.from_text(text=prompt_of(job.spec))])


def _config(job: ProviderJob, wire: Wire, index: int) -> types.GenerateContentConfig:
    spec, resolution = job.spec, models.resolution_of(job.spec, wire)
    picture = types.ImageConfig(aspect_ratio=models.RATIOS[models.size_of(spec)], image_size=resolution)
    thinking = types.ThinkingConfig(thinking_level=types.ThinkingLevel(wire.thinking)) if wire.thinking else None
    return types.GenerateContentConfig(
        response_modalities=["IMAGE"],
        image_config=picture,
        thinking_config=thinking,
        seed=(spec.seed + index) % models.SEEDS,
        automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
        automatic_continuation=False,
        http_options=types.HttpOptions(headers={KEY_HEADER: part_key(job.key, index, spec.n)}),
    )

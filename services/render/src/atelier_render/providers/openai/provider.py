"""The provider that OpenAI's API is: pictures from words, edits and variations, and narrations, by the official SDK.

Retries are the scheduler's: the SDK's own are off. The API cannot report the outcome of an earlier request, so a lost
answer stays unknown.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import date
from typing import Any, TypeVar, cast

import openai
from openai import omit
from openai.types import ImagesResponse

from atelier_contracts.model_lifecycles import utc_today
from atelier_contracts.narration import LANGUAGES
from atelier_render.providers.openai import long_speech as speech
from atelier_render.providers.openai import models
from atelier_render.providers.openai.errors import outcome_of
from atelier_render.providers.openai.models import Call, RetiredModels
from atelier_render.providers.protocol import (
    Capabilities,
    Failed,
    Partial,
    Picture,
    ProviderJob,
    ProviderOutcome,
    Succeeded,
    Unknown,
    mode_of,
    with_model,
)
from atelier_render.providers.toolkit.fan_out import combine_outcomes, part_key, run_concurrently
from atelier_render.providers.toolkit.file_checks import EXTENSIONS, type_of
from atelier_render.providers.toolkit.http_client import ANSWER_BYTES_MAX, AnswerTooLarge, client
from atelier_render.providers.toolkit.image_normaliser import ImageNormaliser, TargetImage, Unusable
from atelier_render.providers.toolkit.narration_script import CONTENT_TYPES, Script, script_of
from atelier_render.providers.toolkit.wave_files import NotSound

OPENAI_URL = "https://api.openai.com/v1"
ANSWER_S_MAX = 180.0
KEY_HEADER = "Idempotency-Key"
_MISUNDERSTOOD = Failed("provider_failed", "OpenAI's answer could not be understood")

File = tuple[str, bytes, str]
"""Name, bytes and content type."""


Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class _NoAnswer:
    """A call that brought none, and what that means."""

    outcome: ProviderOutcome


@dataclass(frozen=True, slots=True)
class _Files:
    """The pictures that go along."""

    images: list[File] = field(default_factory=list)
    mask: File | None = None


class OpenAI:
    """Asks OpenAI, or a server that speaks its format."""

    name = "openai"

    def __init__(
        self,
        key: str,
        finishing: ImageNormaliser,
        *,
        base_url: str | None = None,
        retired: RetiredModels = "replace",
        answer_s_max: float = ANSWER_S_MAX,
        answer_bytes_max: int = ANSWER_BYTES_MAX,
        today: Callable[[], date] = utc_today,
    ) -> None:
        http = client(answer_s_max=answer_s_max, answer_bytes_max=answer_bytes_max)
        # Never None: the SDK would look for an address in the environment.
        self.url = base_url or OPENAI_URL
        self._sdk = openai.AsyncOpenAI(api_key=key, base_url=self.url, max_retries=0, http_client=http)
        self._finishing = finishing
        self._retired = retired
        self._answer_s_max = answer_s_max
        self._today = today

    @property
    def capabilities(self) -> Capabilities:
        """Today's offers: models are withdrawn while this process runs."""
        return models.capabilities(self._retired, self._today())

    async def submit(self, job: ProviderJob) -> ProviderOutcome:
        """The pictures or the sound. Cancelling closes the connections; the work itself may go on at OpenAI."""
        return await (self._narrate(job) if job.spec.kind == "narration" else self._draw(job))

    async def recall(self, job: ProviderJob) -> ProviderOutcome:  # noqa: ARG002 - the protocol's
        """Always Unknown: the API keeps no record of requests by their key."""
        return Unknown()

    async def close(self) -> None:
        """Lets the connections go."""
        await self._sdk.close()

    async def _draw(self, job: ProviderJob) -> ProviderOutcome:
        files = _files(job)
        if isinstance(files, Failed):
            return files
        model = models.model_sent(job.spec.model, self._retired, self._today())
        calls, done = models.calls(job.spec, model), list[int]()

        async def one(index: int) -> ProviderOutcome:
            key = part_key(job.key, index, len(calls))
            outcome = await self._pictures(job, calls[index], files, key)
            done.append(index)
            job.tell(100 * len(done) // len(calls))
            return outcome

        return with_model(model, combine_outcomes(await run_concurrently(len(calls), one), wanted=job.spec.n))

    async def _call_api(self, answer: Awaitable[Answer]) -> Answer | _NoAnswer:
        """The SDK's answer, or what it means that there is none."""
        try:
            async with asyncio.timeout(self._answer_s_max):
                return await answer
        except TimeoutError:
            return _NoAnswer(Unknown())
        except openai.OpenAIError as error:
            return _NoAnswer(outcome_of(error))
        except AnswerTooLarge as error:
            return _NoAnswer(Failed("provider_failed", f"OpenAI's answer was not taken: {error}"))
        except ValueError:
            return _NoAnswer(_MISUNDERSTOOD)

    async def _pictures(self, job: ProviderJob, call: Call, files: _Files, key: str) -> ProviderOutcome:
        answer = await self._call_api(self._images(job, call, files, {KEY_HEADER: key}))
        if isinstance(answer, _NoAnswer):
            return answer.outcome
        # The SDK does not judge what it reads: fields may be missing, or be of any type.
        entries = answer.data if isinstance(answer, ImagesResponse) else None
        if not isinstance(entries, list):
            return _MISUNDERSTOOD
        wanted = TargetImage.by(job.spec, models.size_of(job.spec))
        encoded = [str(getattr(entry, "b64_json", None) or "") for entry in entries[: call.n]]
        return _sound([await self._finishing.from_base64(text, wanted) for text in encoded], call.n)

    async def _images(self, job: ProviderJob, call: Call, files: _Files, headers: dict[str, str]) -> object:
        common: dict[str, Any] = {
            "model": call.model,
            "n": call.n,
            "size": call.size,
            "response_format": call.response_format or omit,
            "extra_headers": headers,
        }
        mode = mode_of(job.spec)
        common |= models.options(job.spec, call.model, mode)
        worded = common | {"quality": call.quality or omit, "output_format": call.output_format or omit}
        if mode == "words":
            return await self._sdk.images.generate(**worded, prompt=call.prompt, style=cast(Any, call.style or omit))
        if mode == "variation" and call.model == "dall-e-2":
            return await self._sdk.images.create_variation(**common, image=files.images[0])
        image = files.images[0] if len(files.images) == 1 else files.images
        return await self._sdk.images.edit(**worded, prompt=call.prompt, image=image, mask=files.mask or omit)

    async def _narrate(self, job: ProviderJob) -> ProviderOutcome:
        script = script_of(job)
        if isinstance(script, Failed):
            return script
        passages, sounds = speech.passages(script.text), dict[int, bytes]()

        async def one(index: int) -> ProviderOutcome:
            key = part_key(job.key, index, len(passages))
            outcome = await self._read(job, Script(passages[index], script.language), key)
            if isinstance(outcome, Succeeded):
                sounds[index] = outcome.pictures[0].data
                job.tell(99 * len(sounds) // len(passages))
            return outcome

        outcomes = await run_concurrently(len(passages), one)
        if len(sounds) < len(passages):
            # A story with a hole in it is no story.
            return combine_outcomes([outcome for outcome in outcomes if not isinstance(outcome, Succeeded)], wanted=1)
        return with_model(_speech_model(job), _one_sound(job, [sounds[index] for index in range(len(passages))]))

    async def _read(self, job: ProviderJob, passage: Script, key: str) -> ProviderOutcome:
        model = _speech_model(job)
        told = f"Read aloud in {LANGUAGES[passage.language]}." if model in models.DIRECTED_SPEECH_MODELS else omit
        asking = self._sdk.audio.speech.create(
            input=passage.text,
            model=model,
            voice=job.spec.style or models.VOICES[0],
            response_format=job.spec.audio_format,
            instructions=told,
            extra_headers={KEY_HEADER: key},
        )
        answer = await self._call_api(asking)
        if isinstance(answer, _NoAnswer):
            return answer.outcome
        return Succeeded((Picture(answer.content, CONTENT_TYPES[job.spec.audio_format]),), 1)


def _files(job: ProviderJob) -> _Files | Failed:
    """The pictures to be sent, or what is wrong with the request."""
    if not job.spec.prompt and mode_of(job.spec) == "words":
        return Failed("invalid_input", "a picture needs words, or a picture to vary")
    images, mask = list[File](), None
    for given in job.inputs:
        content_type = type_of(given.data) or ""
        if not content_type.startswith("image/"):
            return Failed("invalid_input", f"the input of role {given.role} is no PNG, JPEG or WebP picture")
        file = (f"{given.role}.{EXTENSIONS[content_type]}", given.data, content_type)
        if given.role == "mask":
            mask = file
        elif given.role == "image":
            images.append(file)
    return _Files(images, mask)


def _sound(made: list[Picture | Unusable], wanted: int) -> ProviderOutcome:
    """What of a call's pictures can be delivered."""
    pictures = tuple(sound for sound in made if isinstance(sound, Picture))
    if pictures:
        return Succeeded(pictures, wanted) if len(pictures) == wanted else Partial(pictures, len(pictures))
    reasons = [sound.reason for sound in made if isinstance(sound, Unusable)]
    reason = f"what OpenAI made is unusable: {reasons[0]}" if reasons else "OpenAI made no picture"
    return Failed("provider_failed", reason)


def _speech_model(job: ProviderJob) -> str:
    return job.spec.model or models.SPEECH_MODELS[0]


def _one_sound(job: ProviderJob, sounds: list[bytes]) -> ProviderOutcome:
    audio_format = job.spec.audio_format
    try:
        whole = speech.join_sounds(sounds, audio_format)
    except NotSound as error:
        return Failed("provider_failed", f"what OpenAI made is unusable: {error}")
    return Succeeded((Picture(whole, CONTENT_TYPES[audio_format]),), 1)

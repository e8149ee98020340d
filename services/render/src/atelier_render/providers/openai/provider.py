"""The provider that OpenAI's API is: pictures from words, edits and variations, and narrations, by the official SDK.

Retries are the scheduler's: the SDK's own are off. The API cannot report the outcome of an earlier request, so a lost
answer stays unknown.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any, TypeVar, cast

import openai
from openai import AsyncStream, omit
from openai.types import ImagesResponse

from atelier_contracts import RenderSpec
from atelier_contracts.model_lifecycles import utc_today
from atelier_contracts.narration import DIRECTED_SPEECH_MODELS, LANGUAGES, VOICES
from atelier_contracts.value_objects import AudioFormat
from atelier_render.providers.openai import long_speech, models
from atelier_render.providers.openai.errors import outcome_of
from atelier_render.providers.openai.models import Call, RetiredModels
from atelier_render.providers.openai.streams import read_images_stream
from atelier_render.providers.openai.usage import image_usage
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
from atelier_render.usage import Usage

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

    async def _call_api(self, job: ProviderJob, model: str, answer: Awaitable[Answer]) -> Answer | _NoAnswer:
        """The SDK's answer, or what it means that there is none."""
        job.meter.begin(model)
        try:
            async with asyncio.timeout(self._answer_s_max):
                return await answer
        except TimeoutError:
            return _NoAnswer(Unknown())
        except openai.OpenAIError as error:
            outcome = outcome_of(error)
            if not isinstance(outcome, Unknown):
                job.meter.end(request_id=getattr(error, "request_id", None))
            return _NoAnswer(outcome)
        except AnswerTooLarge as error:
            return _NoAnswer(Failed("provider_failed", f"OpenAI's answer was not taken: {error}"))
        except ValueError:
            return _NoAnswer(_MISUNDERSTOOD)

    async def _pictures(self, job: ProviderJob, call: Call, files: _Files, key: str) -> ProviderOutcome:
        said = await self._call_api(job, call.model, self._whole_answer(job, call, files, {KEY_HEADER: key}))
        if isinstance(said, _NoAnswer):
            return said.outcome
        answer, request_id = said
        # The SDK does not judge what it reads: fields may be missing, or be of any type.
        entries = answer.data if isinstance(answer, ImagesResponse) else None
        usage, reported = image_usage(answer)
        job.meter.end(usage, reported=reported, request_id=request_id)
        if not isinstance(entries, list):
            return _MISUNDERSTOOD
        wanted = _target(job.spec, call)
        encoded = [str(getattr(entry, "b64_json", None) or "") for entry in entries[: call.n]]
        return _sound([await self._finishing.from_base64(text, wanted) for text in encoded], call.n)

    async def _whole_answer(
        self, job: ProviderJob, call: Call, files: _Files, headers: dict[str, str]
    ) -> tuple[object, str | None]:
        """The answer and the request's id; of a stream its last event, the partial pictures before it are shown."""
        answer = await self._images(job, call, files, headers)
        if not isinstance(answer, AsyncStream):
            return answer, getattr(answer, "_request_id", None)
        wanted = _target(job.spec, call)

        async def show(encoded: str) -> None:
            partial = await self._finishing.from_base64(encoded, wanted)
            if isinstance(partial, Picture):
                await job.show(partial)

        return await read_images_stream(answer, show)

    async def _images(self, job: ProviderJob, call: Call, files: _Files, headers: dict[str, str]) -> object:
        common: dict[str, Any] = {
            "model": call.model,
            "n": call.n,
            "size": call.size,
            "response_format": call.response_format or omit,
            "extra_headers": headers,
        }
        mode = mode_of(job.spec)
        if models.is_streamed(job.spec, call):
            common |= {"stream": True, "partial_images": job.spec.previews}
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
        passages, sounds = long_speech.passages(script.text), dict[int, bytes]()
        # Passages are joined as samples, where their files cannot be put one behind the other.
        is_joined = len(passages) > 1 and job.spec.audio_format not in long_speech.JOINABLE
        asked: AudioFormat = "wav" if is_joined else job.spec.audio_format

        async def one(index: int) -> ProviderOutcome:
            key = part_key(job.key, index, len(passages))
            outcome = await self._read(job, Script(passages[index], script.language), key, asked)
            if isinstance(outcome, Succeeded):
                sounds[index] = outcome.pictures[0].data
                job.tell(99 * len(sounds) // len(passages))
            return outcome

        outcomes = await run_concurrently(len(passages), one)
        if len(sounds) < len(passages):
            # A story with a hole in it is no story.
            return combine_outcomes([outcome for outcome in outcomes if not isinstance(outcome, Succeeded)], wanted=1)
        made = [sounds[index] for index in range(len(passages))]
        return with_model(_speech_model(job), await asyncio.to_thread(_one_sound, job, made))

    async def _read(self, job: ProviderJob, passage: Script, key: str, audio_format: AudioFormat) -> ProviderOutcome:
        model = _speech_model(job)
        speech = job.spec.speech
        told = speech.instructions if speech else f"Read aloud in {LANGUAGES[passage.language]}."
        asking = self._sdk.audio.speech.create(
            input=passage.text,
            model=model,
            voice=job.spec.style or VOICES[0],
            speed=speech.speed if speech and speech.speed != 1 else omit,
            response_format=audio_format,
            instructions=told if told and model in DIRECTED_SPEECH_MODELS else omit,
            extra_headers={KEY_HEADER: key},
        )
        answer = await self._call_api(job, model, asking)
        if isinstance(answer, _NoAnswer):
            return answer.outcome
        # The sound comes without figures: what was sent is counted.
        usage = Usage(characters=len(passage.text), outputs=1)
        job.meter.end(usage, request_id=answer.response.headers.get("x-request-id"))
        return Succeeded((Picture(answer.content, CONTENT_TYPES[audio_format]),), 1)


def _target(spec: RenderSpec, call: Call) -> TargetImage:
    wanted = TargetImage.by(spec, models.size_of(spec))
    return replace(wanted, compression=None) if models.compresses(spec, call.model) else wanted


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
        whole = sounds[0] if len(sounds) == 1 else long_speech.join_sounds(sounds, audio_format)
    except NotSound as error:
        return Failed("provider_failed", f"what OpenAI made is unusable: {error}")
    return Succeeded((Picture(whole, CONTENT_TYPES[audio_format]),), 1)

"""Requests of ``POST /v1/audio/speech``, and which voice of which provider they mean."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from atelier_contracts.model_lifecycles import is_gone
from atelier_contracts.narration import (
    DIRECTED_SPEECH_MODELS,
    INSTRUCTION_CHARS_MAX,
    SPEED_MAX,
    SPEED_MIN,
    VOICES,
)
from atelier_gateway.container import Container
from atelier_gateway.media.narration_fields import audible
from atelier_gateway.surfaces.openai.parameters import CUSTOM_VOICE
from atelier_gateway.web.json_bodies import MultilineText, RequestBody, SingleLine
from atelier_gateway.web.problems import Problem, field_problem

INPUT_CHARS_MAX = 4_096
SpeechFormat = Literal["mp3", "opus", "aac", "flac", "wav", "pcm"]
MEDIA_TYPES: Mapping[SpeechFormat, str] = {
    "mp3": "audio/mpeg",
    "opus": "audio/ogg",
    "aac": "audio/aac",
    "flac": "audio/flac",
    "wav": "audio/wav",
    "pcm": "audio/pcm",
}
MODELS = ("tts-1", "tts-1-hd", *sorted(DIRECTED_SPEECH_MODELS))


def _check_voice(voice: Any) -> Any:
    if isinstance(voice, dict):
        raise PydanticCustomError("unsupported_parameter", "{why}", {"why": CUSTOM_VOICE})
    if isinstance(voice, str) and voice not in VOICES:
        raise PydanticCustomError("unknown_voice", "one of {voices} is required", {"voices": ", ".join(VOICES)})
    return voice


class OpenAISpeechRequest(RequestBody):
    """``POST /v1/audio/speech``."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"model": "tts-1", "input": "Once upon a time.", "voice": "alloy"}]}
    )

    model: SingleLine
    input: Annotated[MultilineText, AfterValidator(audible), Field(min_length=1, max_length=INPUT_CHARS_MAX)]
    voice: Annotated[str, BeforeValidator(_check_voice), Field(json_schema_extra={"enum": list(VOICES)})]
    instructions: Annotated[MultilineText, Field(max_length=INSTRUCTION_CHARS_MAX)] | None = None
    response_format: SpeechFormat | None = None
    speed: Annotated[float, Field(ge=SPEED_MIN, le=SPEED_MAX)] | None = None
    stream_format: Literal["audio", "sse"] | None = None


def choose_model(container: Container, body: OpenAISpeechRequest) -> str | None:
    """The model that a provider here is asked for; None where the voices of this installation stand in for it. Raises
    Problem: 404 for an unknown or withdrawn model, 400 for what the model does not take, 503 where nothing
    stands in for it."""
    name, catalogue = body.model, container.catalogue
    if name not in MODELS or is_gone(name, today=container.today()):
        there_are = ", ".join(MODELS)
        raise field_problem("model", f"there is no speech model {name}; there are {there_are}", "model_not_found")
    if body.stream_format == "sse" and name not in DIRECTED_SPEECH_MODELS:
        raise field_problem("stream_format", f"{name} has no sse; audio is")
    if body.instructions and name not in DIRECTED_SPEECH_MODELS:
        raise field_problem("instructions", f"{name} takes no directions")
    stands_in = catalogue.is_known and name not in catalogue.models("narration")
    if stands_in and catalogue.fallback is None:
        raise Problem("provider_unavailable", f"{name} is not set up here. Nothing was started and nothing is charged.")
    if body.instructions and stands_in:
        raise field_problem("instructions", "the voices here take no directions")
    return None if stands_in else name

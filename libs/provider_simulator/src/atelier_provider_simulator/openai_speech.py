"""OpenAI's speech endpoint: a text becomes a sound that hums, as MP3 or WAV."""

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from atelier_provider_simulator import openai_errors as errors
from atelier_provider_simulator.pictures import encode_tone, mp3_frames, synthesise_tone
from atelier_provider_simulator.plans import PlannedOutcome
from atelier_provider_simulator.request_handler import ParsedRequest

INPUT_CHARS_MAX = 4_096
MODELS = ("tts-1", "tts-1-hd", "gpt-4o-mini-tts", "gpt-4o-mini-tts-2025-12-15")
VOICES = (
    *("alloy", "ash", "ballad", "coral", "echo", "fable", "onyx", "nova", "sage", "shimmer"),
    *("verse", "marin", "cedar"),
)
CLASSIC_VOICES = frozenset(VOICES) - {"ballad", "verse", "marin", "cedar"}
"""Those that the tts-1 models have."""
MEDIA = {
    "mp3": "audio/mpeg",
    "wav": "audio/wav",
    "opus": "audio/opus",
    "aac": "audio/aac",
    "flac": "audio/flac",
}
KNOWN = {"input", "model", "voice", "response_format", "speed", "instructions"}
OVERSIZED_BYTES = 160 * 1024 * 1024
"""Zeros; above any sensible limit for a few minutes of sound."""


def parse_request(payload: Mapping[str, Any]) -> ParsedRequest:
    """The request, checked as the API checks it. Raises ProviderError."""
    for parameter in payload:
        if parameter not in KNOWN:
            raise errors.provider_error(f"Unknown parameter: '{parameter}'.", parameter, "unknown_parameter")
    text, model = payload.get("input"), payload.get("model")
    if model not in MODELS:
        raise errors.provider_error(f"The model '{model}' does not exist.", "model", "model_not_found", status=404)
    if not isinstance(text, str) or not text:
        raise errors.provider_error("Missing required parameter: 'input'.", "input", "missing_required_parameter")
    if len(text) > INPUT_CHARS_MAX:
        message = f"Invalid 'input': string too long. Expected at most {INPUT_CHARS_MAX} characters."
        raise errors.provider_error(message, "input", "string_above_max_length")
    if payload.get("voice") not in (CLASSIC_VOICES if model.startswith("tts-1") else VOICES):
        raise errors.provider_error(f"Invalid value: '{payload.get('voice')}'.", "voice", "invalid_value")
    sound = payload.get("response_format", "mp3")
    if sound not in MEDIA:
        raise errors.provider_error(
            f"The simulator speaks {', '.join(MEDIA)}, not {sound}.", "response_format", "invalid_value"
        )

    def make(planned: PlannedOutcome, count: int) -> Response:
        if count == 0:
            return errors.content_policy_error(model)
        data = _sound(planned, text, sound)
        return Response(data, headers=errors.headers(), media_type=MEDIA[sound])

    return ParsedRequest(model, 1, make, lambda plan: errors.decline(plan, model=model))


def _sound(planned: PlannedOutcome, text: str, sound: str) -> bytes:
    if planned.plan.outcome == "oversized":
        return bytes(OVERSIZED_BYTES)
    content = _encoded(text, sound)
    return bytes(16) + content[16:] if planned.plan.outcome == "corrupt" else content


def _encoded(text: str, sound: str) -> bytes:
    if sound == "wav":
        return synthesise_tone(text)
    return mp3_frames(text) if sound == "mp3" else encode_tone(text, sound)

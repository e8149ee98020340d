"""OpenAI's speech endpoint: a text becomes a sound that hums, as MP3 or WAV."""

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from atelier_provider_simulator import openai_errors as errors
from atelier_provider_simulator.pictures import mp3_frames, spoken
from atelier_provider_simulator.plans import Order
from atelier_provider_simulator.request_handler import Asked

INPUT_CHARS_MAX = 4_096
MODELS = ("tts-1", "tts-1-hd", "gpt-4o-mini-tts", "gpt-4o-mini-tts-2025-12-15")
VOICES = (
    *("alloy", "ash", "ballad", "coral", "echo", "fable", "onyx", "nova", "sage", "shimmer"),
    *("verse", "marin", "cedar"),
)
CLASSIC_VOICES = frozenset(VOICES) - {"ballad", "verse", "marin", "cedar"}
"""Those that the tts-1 models have."""
MEDIA = {"mp3": "audio/mpeg", "wav": "audio/wav"}
KNOWN = {"input", "model", "voice", "response_format", "speed", "instructions"}
OVERSIZED_BYTES = 160 * 1024 * 1024
"""Zeros; above any sensible limit for a few minutes of sound."""


def asked(given: Mapping[str, Any]) -> Asked:
    """The request, checked as the API checks it. Raises Wrong."""
    for parameter in given:
        if parameter not in KNOWN:
            raise errors.wrong(f"Unknown parameter: '{parameter}'.", parameter, "unknown_parameter")
    text, model = given.get("input"), given.get("model")
    if model not in MODELS:
        raise errors.wrong(f"The model '{model}' does not exist.", "model", "model_not_found", status=404)
    if not isinstance(text, str) or not text:
        raise errors.wrong("Missing required parameter: 'input'.", "input", "missing_required_parameter")
    if len(text) > INPUT_CHARS_MAX:
        message = f"Invalid 'input': string too long. Expected at most {INPUT_CHARS_MAX} characters."
        raise errors.wrong(message, "input", "string_above_max_length")
    if given.get("voice") not in (CLASSIC_VOICES if model.startswith("tts-1") else VOICES):
        raise errors.wrong(f"Invalid value: '{given.get('voice')}'.", "voice", "invalid_value")
    sound = given.get("response_format", "mp3")
    if sound not in MEDIA:
        raise errors.wrong(f"The simulator speaks mp3 and wav, not {sound}.", "response_format", "invalid_value")

    def make(order: Order, count: int) -> Response:
        if count == 0:
            return errors.refused(model)
        data = _sound(order, text, sound)
        return Response(data, headers=errors.headers(), media_type=MEDIA[sound])

    return Asked(model, 1, make, lambda plan: errors.decline(plan, model=model))


def _sound(order: Order, text: str, sound: str) -> bytes:
    if order.plan.outcome == "oversized":
        return bytes(OVERSIZED_BYTES)
    made = spoken(text) if sound == "wav" else mp3_frames(text)
    return bytes(16) + made[16:] if order.plan.outcome == "corrupt" else made

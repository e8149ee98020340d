"""A narration's sound in OpenAI's shape: the file, its bare samples, or events with pieces of it."""

import base64
import io
import json
import wave
from collections.abc import Iterator, Mapping

from starlette.responses import Response

from atelier_gateway.container import Container
from atelier_gateway.projection.store import Generation
from atelier_gateway.surfaces.openai.responses import usage_view
from atelier_gateway.surfaces.openai.speech_requests import MEDIA_TYPES, OpenAISpeechRequest
from atelier_gateway.web.problems import Problem
from atelier_storage.errors import StorageError

SOUND_BYTES_MAX = 256 * 1024 * 1024
PCM_RATE_HZ = 24_000
"""What clients of bare samples take for granted: 16 bits, one channel, little-endian."""
PIECE_BYTES = 32 * 1024


async def sound_response(container: Container, generation: Generation, body: OpenAISpeechRequest) -> Response:
    """The 200. Raises Problem where the sound cannot be read now."""
    try:
        data = await container.objects.get(generation.snapshot.outputs[0]["key"], SOUND_BYTES_MAX)
    except StorageError:
        raise Problem("unavailable", "The sound is made but cannot be read now; send the request again.") from None
    sound_format = body.response_format or "mp3"
    media_type = MEDIA_TYPES[sound_format]
    if sound_format == "pcm":
        data, rate_hz = samples_of(data)
        media_type = f"{media_type};rate={rate_hz}"
    if body.stream_format == "sse":
        return Response(b"".join(_events(data, generation)), media_type="text/event-stream")
    return Response(data, media_type=media_type)


def samples_of(wav: bytes) -> tuple[bytes, int]:
    """The samples of a WAV, and how many there are a second. What is no plain WAV comes as it is, since it is paid."""
    try:
        with wave.open(io.BytesIO(wav)) as file:
            return file.readframes(file.getnframes()), file.getframerate()
    except (wave.Error, EOFError):
        return wav, PCM_RATE_HZ


def _events(data: bytes, generation: Generation) -> Iterator[bytes]:
    for begin in range(0, len(data), PIECE_BYTES):
        piece = base64.b64encode(data[begin : begin + PIECE_BYTES]).decode()
        yield _event({"type": "speech.audio.delta", "audio": piece})
    usage = usage_view(generation)
    del usage["input_tokens_details"]
    yield _event({"type": "speech.audio.done", "usage": usage})


def _event(data: Mapping[str, object]) -> bytes:
    return f"data: {json.dumps(data, separators=(',', ':'))}\n\n".encode()

"""Reads a stream of OpenAI's Images API: partial pictures are shown, the last event is the answer."""

from collections.abc import Awaitable, Callable

from openai import AsyncStream
from openai.types import Image, ImagesResponse

PARTIAL, COMPLETED = ".partial_image", ".completed"


async def read_images_stream(
    stream: AsyncStream[object], show: Callable[[str], Awaitable[None]]
) -> tuple[ImagesResponse | None, str | None]:
    """What an answer without a stream would hold, and the request's id; None where the picture did not come. ``show``
    takes each partial picture as base64. Raises openai.OpenAIError."""
    request_id = stream.response.headers.get("x-request-id")
    async for event in stream:
        kind, picture = str(getattr(event, "type", "")), str(getattr(event, "b64_json", None) or "")
        if kind.endswith(PARTIAL):
            await show(picture)
        elif kind.endswith(COMPLETED):
            made = ImagesResponse.construct(
                data=[Image.construct(b64_json=picture)], usage=getattr(event, "usage", None)
            )
            return made, request_id
    return None, request_id

"""Streams a picture as OpenAI does: previews while it is made, then the picture with what it cost, or an error.

Previews are not charged. When the picture fails after them the stream ends with an error event, and costs nothing.
"""

import asyncio
import base64
import json
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from atelier_gateway.container import Container
from atelier_gateway.generations.client_disconnects import WaitingClient
from atelier_gateway.generations.image_models import QUALITY_SHOWN
from atelier_gateway.generations.model_notices import maker_view, notice_headers
from atelier_gateway.projection import store as projection_store
from atelier_gateway.projection.store import Generation
from atelier_gateway.surfaces.openai.errors import error_view
from atelier_gateway.surfaces.openai.requests import OpenAIImageEditRequest, OpenAIImageRequest
from atelier_gateway.surfaces.openai.responses import PICTURE_BYTES_MAX, Body, read_base64, usage_view
from atelier_gateway.web.problems import Problem, field_problem, not_found
from atelier_messaging import is_outage
from atelier_storage.errors import StorageError
from atelier_storage.keys import preview_key

LOOK_EVERY_S = 0.25
"""How often the next preview is looked for."""
BEAT_EVERY_S = 15.0
BEAT = b": still making it\n"
"""A comment, within no block of its own: some clients make an event without data of such a block."""
EXTENSIONS = {"png": "png", "jpeg": "jpg", "webp": "webp"}
logger = logging.getLogger(__name__)

Streamed = OpenAIImageRequest | OpenAIImageEditRequest


@dataclass(frozen=True, slots=True)
class ImageStream:
    """One stream: what was asked for, and who waits for it."""

    container: Container
    caller: WaitingClient
    body: Streamed
    owner: Any
    name: str
    """``image_generation`` or ``image_edit``, as the events are called."""


def is_streamed(body: Body) -> bool:
    """Whether the client wants the answer as events. Raises Problem 400 for what a stream cannot bring."""
    if not isinstance(body, Streamed) or not body.stream:
        if getattr(body, "partial_images", None):
            raise field_problem("partial_images", "they come in a stream; say stream: true")
        return False
    if (body.n or 1) > 1:
        raise field_problem("n", "a stream brings one picture")
    if body.response_format == "url":
        raise field_problem("response_format", "a stream brings the picture itself, b64_json")
    return True


def respond(stream: ImageStream, finish: Callable[[], Awaitable[Generation]]) -> Response:
    """The 200, whose events end when ``finish`` does: with the succeeded generation, or with its Problem."""
    response = stream.container.disconnects.monitor_stream(stream.caller, _events(stream, finish))
    response.headers["X-Generation-Id"] = str(stream.caller.generation_id)
    response.headers.update(notice_headers(stream.body.model))
    return response


async def _events(stream: ImageStream, finish: Callable[[], Awaitable[Generation]]) -> AsyncGenerator[bytes]:
    try:
        async for event in _picture_events(stream, finish):
            yield event
    except Problem as error:
        yield _event("error", {"error": error_view(error)})
    except Exception as error:
        if not is_outage(error):
            raise
        logger.warning("stream of generation %s broke off, it is cancelled: %r", stream.caller.generation_id, error)
        await stream.container.disconnects.cancel_abandoned(stream.caller)
        outcome = "still being made" if stream.caller.has_key else "cancelled"
        problem = Problem("unavailable", f"The stream broke off, the picture is {outcome}; send the request again.")
        yield _event("error", {"error": error_view(problem)})


async def _picture_events(stream: ImageStream, finish: Callable[[], Awaitable[Generation]]) -> AsyncGenerator[bytes]:
    ending = asyncio.ensure_future(finish())
    ending.add_done_callback(lambda done: done.cancelled() or done.exception())  # it may end with no stream to tell
    try:
        shown, index, wanted = await _shown(stream), 0, stream.body.partial_images or 0
        while not ending.done():
            if index < wanted and (preview := await _read_preview(stream, index)) is not None:
                yield _event(
                    f"{stream.name}.partial_image", {"b64_json": preview, "partial_image_index": index} | shown
                )
                index += 1
                continue
            pause = LOOK_EVERY_S if index < wanted else BEAT_EVERY_S
            if not (await asyncio.wait({ending}, timeout=pause))[0] and index >= wanted:
                yield BEAT
        generation = await ending
        # Those that the picture overtook were made all the same.
        while index < wanted and (preview := await _read_preview(stream, index)) is not None:
            yield _event(f"{stream.name}.partial_image", {"b64_json": preview, "partial_image_index": index} | shown)
            index += 1
        yield await _completed_event(stream, generation, shown)
    finally:
        ending.cancel()


async def _completed_event(stream: ImageStream, generation: Generation, shown: dict[str, Any]) -> bytes:
    """Raises Problem where the picture cannot be read; it is kept for an equal request, since it is charged."""
    try:
        picture = await read_base64(stream.container, generation.snapshot.outputs[0]["key"])
    except Problem:
        await stream.container.disconnects.cancel_abandoned(stream.caller)
        raise
    made = {
        "b64_json": picture,
        "usage": usage_view(generation),
        "made_by": maker_view(generation.snapshot),
        "safety_identifier": stream.body.safety_identifier or stream.body.user,
    }
    return _event(f"{stream.name}.completed", made | shown | ({"test": True} if generation.owner.is_test else {}))


async def _shown(stream: ImageStream) -> dict[str, Any]:
    """What every event says of the picture."""
    assert stream.caller.generation_id is not None, "what is streamed exists"
    container = stream.container
    generation = await projection_store.find_for_owner(container.pool, stream.caller.generation_id, stream.owner)
    if generation is None:
        raise not_found("generation")
    spec = generation.request["spec"]
    return {
        "background": "transparent" if spec.get("transparent") else "opaque",
        "created_at": int(generation.created_at.timestamp()),
        "output_format": spec["format"],
        "quality": QUALITY_SHOWN[spec["quality"]],
        "size": spec["size"],
    }


async def _read_preview(stream: ImageStream, index: int) -> str | None:
    """In base64; None while there is none, or none can be read."""
    assert stream.caller.generation_id is not None, "what is streamed exists"
    owner, extension = stream.owner, EXTENSIONS[stream.body.output_format or "png"]
    key = preview_key(owner.kind, owner.id, stream.caller.generation_id, index, extension)
    try:
        return base64.b64encode(await stream.container.objects.get(key, PICTURE_BYTES_MAX)).decode()
    except StorageError:
        return None


def _event(name: str, data: dict[str, Any]) -> bytes:
    body = json.dumps({"type": name, **data}, separators=(",", ":"), ensure_ascii=False)
    return f"event: {name}\ndata: {body}\n\n".encode()

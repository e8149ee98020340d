"""Streams of OpenAI's Images API: partial pictures, then the picture with its usage, as server-sent events."""

import base64
import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

from starlette.responses import Response

from atelier_provider_simulator import openai_errors as errors

NAMES = {"generations": "image_generation", "edits": "image_edit"}
"""The events' names, by endpoint."""


def stream_of(
    endpoint: str, partials: Sequence[bytes], picture: bytes, shown: Mapping[str, str], usage: Mapping[str, Any]
) -> Response:
    """The whole stream at once. ``shown`` is what each event says of the picture."""
    name, common = NAMES[endpoint], {"background": "opaque", "created_at": int(time.time()), **shown}
    events = [
        _event(f"{name}.partial_image", {"partial_image_index": index, "b64_json": _encode(partial), **common})
        for index, partial in enumerate(partials)
    ]
    events.append(_event(f"{name}.completed", {"b64_json": _encode(picture), "usage": usage, **common}))
    return Response("".join(events), headers=errors.headers(), media_type="text/event-stream")


def _encode(picture: bytes) -> str:
    return base64.b64encode(picture).decode()


def _event(name: str, data: Mapping[str, Any]) -> str:
    return f"event: {name}\ndata: {json.dumps({'type': name, **data})}\n\n"

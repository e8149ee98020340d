"""OpenAI's operations and their parameters as its SDK types them: what each does here, or why it is refused. One table,
read by the requests for their refusals, by the book, and by the test that walks the installed SDK.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

NOT_ANIMATED = "animated pictures are not made here; png, jpeg and webp are"
NOT_DRAWN = "vector drawings are not made here; png, jpeg and webp are"
NOT_PLANNED = "how much a model plans cannot be chosen here; choose a quality"
NOT_MARKED_UP = "drawings over a picture are not taken here; send a mask"
CUSTOM_VOICE = "voices of one's own are not made here; name one of the built-in ones"
FOR_BATCHES = "files are for batches of pictures; a picture is uploaded where it is used, or to POST /v1/uploads"
NOT_BATCHED = "batches are of pictures: /v1/images/generations or /v1/images/edits"


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter. ``effect`` says what it does; empty where it is refused whatever its value, for ``refusal``."""

    effect: str = ""
    refusal: str = ""
    refused: Mapping[str, str] = field(default_factory=dict)
    """Values of the SDK's that are refused: why."""
    neutral: tuple[str, ...] = ()
    """Values that mean what leaving it out means."""
    beside: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """What a value needs beside it."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of the SDK: the route that answers it, or why there is none."""

    route: str = ""
    refusal: str = ""
    method: str = "POST"
    parameters: Mapping[str, Parameter] = field(default_factory=dict)


SMALL = {"model": "dall-e-2"}
WIDE = {"model": "dall-e-3"}
PICTURE = {
    "model": Parameter("the model that is priced and named to the provider"),
    "n": Parameter("how many, 1 to 10; each is charged for itself"),
    "response_format": Parameter("a URL, base64, or without it both"),
    "size": Parameter(
        "the size that is made and priced",
        neutral=("auto", "1024x1024"),
        beside={"256x256": SMALL, "512x512": SMALL, "1792x1024": WIDE, "1024x1792": WIDE},
    ),
    "user": Parameter("reaches OpenAI"),
}
FINISH = PICTURE | {
    "prompt": Parameter("what is made; at most 4 000 characters"),
    "background": Parameter("reaches OpenAI; transparent leaves out what is behind the subject, of png and webp"),
    "complexity": Parameter(refusal=NOT_PLANNED),
    "frame_count": Parameter(refusal=NOT_ANIMATED),
    "frame_duration_ms": Parameter(refusal=NOT_ANIMATED),
    "output_compression": Parameter(
        "the quality of a JPEG or a WebP, 0 to 100; without it 90", beside={"50": {"output_format": "webp"}}
    ),
    "output_format": Parameter(
        "the format of the file", refused={"gif": NOT_ANIMATED, "svg": NOT_DRAWN}, neutral=("png",)
    ),
    "partial_images": Parameter(
        "at most so many pictures on the way, 0 to 3, in a stream; free", beside={"2": {"stream": True}}
    ),
    "quality": Parameter(
        "the quality that is made and priced",
        neutral=("auto", "medium", "standard"),
    ),
    "safety_identifier": Parameter("reaches OpenAI"),
    "stream": Parameter("the answer comes as server-sent events", neutral=("False",)),
    "svg": Parameter(refusal=NOT_DRAWN),
}
GENERATE = FINISH | {
    "moderation": Parameter("reaches OpenAI"),
    "style": Parameter("the style of the picture"),
}
EDIT = FINISH | {
    "image": Parameter("the pictures that are edited, 1 to 16"),
    "input_fidelity": Parameter("reaches OpenAI", refused={"low": "takes high, not low"}),
    "markup": Parameter(refusal=NOT_MARKED_UP),
    "mask": Parameter("the part that is made anew"),
}

SPEECH = {
    "input": Parameter("the text that is spoken, at most 4 096 characters, which are the price"),
    "model": Parameter("the model that speaks it, where its provider is set up; else a voice of this installation"),
    "voice": Parameter("who speaks"),
    "instructions": Parameter("how it is spoken, by models that take directions"),
    "response_format": Parameter(
        "the file; pcm is its samples: 16 bits, one channel, 24 000 a second",
        neutral=("mp3",),
    ),
    "speed": Parameter("0.25 to 4 times as fast"),
    "stream_format": Parameter("the sound itself, or events with pieces of it", neutral=("audio",)),
}

FILE = {
    "file": Parameter("the JSON lines of a batch, at most 25 MiB"),
    "purpose": Parameter(
        "batch",
        refused=dict.fromkeys(("assistants", "fine-tune", "vision", "user_data", "evals"), FOR_BATCHES),
        neutral=("batch",),
    ),
    "expires_after": Parameter("when the file expires; without it after 30 days"),
}
FILE_ID = {"file_id": Parameter("which file")}
BATCH = {
    "completion_window": Parameter("24h: lines that have not begun by then expire", neutral=("24h",)),
    "endpoint": Parameter(
        "what each line is",
        refused=dict.fromkeys(
            (
                *("/v1/responses", "/v1/chat/completions", "/v1/embeddings", "/v1/completions", "/v1/moderations"),
                "/v1/videos",
            ),
            NOT_BATCHED,
        ),
    ),
    "input_file_id": Parameter("the uploaded lines"),
    "metadata": Parameter("shown with the batch"),
    "output_expires_after": Parameter("when its files expire; without it after 30 days"),
}
BATCH_ID = {"batch_id": Parameter("which batch")}
PAGE = {
    "after": Parameter("the page begins after this one"),
    "limit": Parameter("the most that a page holds"),
}

OPERATIONS: Mapping[str, Operation] = {
    "images.generate": Operation("/v1/images/generations", parameters=GENERATE),
    "images.edit": Operation("/v1/images/edits", parameters=EDIT),
    "images.create_variation": Operation(
        "/v1/images/variations", parameters=PICTURE | {"image": Parameter("the picture that is varied")}
    ),
    "audio.speech.create": Operation("/v1/audio/speech", parameters=SPEECH),
    "files.create": Operation("/v1/files", parameters=FILE),
    "files.retrieve": Operation("/v1/files/{id}", method="GET", parameters=FILE_ID),
    "files.content": Operation("/v1/files/{id}/content", method="GET", parameters=FILE_ID),
    "files.retrieve_content": Operation("/v1/files/{id}/content", method="GET", parameters=FILE_ID),
    "files.delete": Operation("/v1/files/{id}", method="DELETE", parameters=FILE_ID),
    "files.list": Operation(
        "/v1/files",
        method="GET",
        parameters=PAGE
        | {
            "order": Parameter("the oldest or the newest first", neutral=("desc",)),
            "purpose": Parameter("only files of this purpose"),
        },
    ),
    "files.wait_for_processing": Operation(
        "/v1/files/{id}",
        method="GET",
        parameters={
            "id": Parameter("which file; a file is processed as soon as it is there"),
            "poll_interval": Parameter("is the client's own"),
            "max_wait_seconds": Parameter("is the client's own"),
        },
    ),
    "batches.create": Operation("/v1/batches", parameters=BATCH),
    "batches.retrieve": Operation("/v1/batches/{id}", method="GET", parameters=BATCH_ID),
    "batches.list": Operation("/v1/batches", method="GET", parameters=PAGE),
    "batches.cancel": Operation("/v1/batches/{id}/cancel", parameters=BATCH_ID),
}
"""By the name that the SDK calls it by."""

ABSENT_PREFIXES = ("/v1/audio/", "/v1/chat/", "/v1/embeddings", "/v1/moderations")
"""Paths that OpenAI's clients call and this surface does not answer: their 404 is in OpenAI's shape."""

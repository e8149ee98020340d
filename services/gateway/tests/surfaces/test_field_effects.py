"""No field is taken and ignored: each field of each create, read off the models, changes something or is refused.

What may change: the reply, what is stored of the request, or what is sent to the session.
"""

import asyncio
import json
import re
import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Union, get_args, get_origin

import httpx
import pytest
from pydantic import BaseModel

from atelier_contracts import Artefact, GenerationRequested, GenerationSucceeded, Message
from atelier_gateway.media.uploads import UploadRequest
from atelier_gateway.surfaces.b2b.requests import TryOnRequest
from atelier_gateway.surfaces.form.requests import GenerationForm
from atelier_gateway.surfaces.images.requests import ImageBatchRequest, ImageGenerationRequest
from atelier_gateway.surfaces.native.requests import GenerationInput, GenerationRequest
from atelier_gateway.surfaces.onmodel.requests import FlatLayRequest, OnModelRequest
from atelier_gateway.surfaces.openai.parameters import EDIT, GENERATE
from atelier_gateway.surfaces.openai.requests import (
    OpenAIImageEditRequest,
    OpenAIImageRequest,
    OpenAIImageVariationRequest,
)
from atelier_gateway.surfaces.openai.speech_requests import OpenAISpeechRequest
from atelier_gateway.surfaces.stories.requests import NewStory
from atelier_gateway.surfaces.trpc.requests import CreateInput as CreateOverTrpc
from atelier_gateway.surfaces.webhooks.requests import NewWebhook
from atelier_gateway.web.json_bodies import RequestBody
from atelier_storage.keys import artefact_key

from ..support.form import FORM
from ..support.neighbours import admit
from ..support.onmodel import body as photos
from ..support.onmodel import picture, uri
from ..support.workspace import team_of
from ..support.world import TRY_ON, World

pytestmark = pytest.mark.stack
PICTURE = "https://cdn.shop-pictures.net/cat.png"
OTHER = "https://cdn.shop-pictures.net/dog.png"
ID_OR_TIME = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|20\d\d-\d\d-\d\dT[^\"]*")
SIGNED = re.compile(r"X-Amz-[^\"]*")
COUNTED = re.compile(r'"created":\d+|"timestamp":"[^"]*"|"requestId":"[^"]*"')
Samples = Mapping[str, Any]


@dataclass(frozen=True)
class Create:
    """One create: where it goes, the smallest body that it takes, and values that the model does not suggest."""

    path: str
    model: type[RequestBody]
    base: Mapping[str, Any]
    samples: Samples = field(default_factory=dict)
    more: Samples = field(default_factory=dict)
    """Fields that another field needs beside it."""
    form: bool = False
    never: frozenset[str] = frozenset()
    """Fields of which only the default is taken."""


IMAGE_WORDS = {"model": "gpt-image-2", "size": "1536x1024", "quality": "high", "style": "vivid"}
NARRATION = {"kind": "narration", "prompt": "once upon a time"}
WITH = {"partial_images": {"stream": True}, "output_compression": {"output_format": "webp"}}
NEVER = frozenset(name for name, known in (GENERATE | EDIT).items() if known.refusal)
CREATES = {
    "native": Create(
        "/v1/generations",
        GenerationRequest,
        {"kind": "image", "prompt": "a cat"},
        IMAGE_WORDS
        | {"kind": "product_shot", "provider": "openai", "inputs": [{"role": "image", "url": PICTURE}]}
        | {"webhook_url": "https://shop.example.org/hooks", "text": "Once.", "language": "de", "size": "256x256"}
        | {"providers": ["local"], "exclude_providers": ["google"], "store": 24, "deliver_to": [PICTURE]},
        more={"kind": {"inputs": [{"role": "product", "url": PICTURE}]}}
        | dict.fromkeys(("language", "audio_format"), NARRATION)
        | {"text": {"kind": "narration", "prompt": None}, "deliver_to": {"charge": "on_delivery"}}
        | {"delivery_window_s": {"charge": "on_delivery"}},
    ),
    "openai generations": Create(
        "/v1/images/generations",
        OpenAIImageRequest,
        {"prompt": "a cat", "model": "gpt-image-2.6-flare"},
        IMAGE_WORDS,
        more=WITH,
        never=NEVER,
    ),
    "openai edits": Create(
        "/v1/images/edits",
        OpenAIImageEditRequest,
        {"prompt": "a hat", "model": "gpt-image-2.6-flare"},
        IMAGE_WORDS | {"input_fidelity": "high"},
        more=WITH,
        form=True,
        never=NEVER,
    ),
    "openai variations": Create(
        "/v1/images/variations", OpenAIImageVariationRequest, {"model": "gpt-image-2.6-flare"}, IMAGE_WORDS, form=True
    ),
    "openai speech": Create(
        "/v1/audio/speech",
        OpenAISpeechRequest,
        {"model": "gpt-4o-mini-tts", "input": "Once.", "voice": "alloy"},
        {"model": "tts-1", "input": "Twice.", "voice": "echo", "speed": 2.0, "response_format": "wav"},
    ),
    "images": Create(
        "/api/ai/images",
        ImageGenerationRequest,
        {"prompt": "a cat"},
        IMAGE_WORDS
        | {"provider": "google", "image": PICTURE, "mask": PICTURE, "webhookUrl": "https://shop.example.org/hooks"}
        | {"size": "1792x1024", "quality": "hd", "workspaceId": "00000000-0000-7000-8000-000000000000"},
        more={"mask": {"image": OTHER}},
    ),
    "batch": Create(
        "/api/ai/images/batches",
        ImageBatchRequest,
        {"requests": [{"prompt": "a cat"}]},
        {"requests": [{"prompt": "a dog"}], "workspaceId": "00000000-0000-7000-8000-000000000000"},
    ),
    "on-model": Create(
        "/v1/generate?onmodel",
        OnModelRequest,
        photos(),
        {"photos": photos(uri(picture(colour="red")))["photos"], "backgroundId": "457", "modelId": "124"}
        | {"photos.0.id": "front", "photos.0.image": uri(picture(colour="red"))}
        | {"options": {"quality": "low"}, "options.quality": "low", "options.format": "webp"},
    ),
    "flat-lay": Create(
        "/v1/generate?flatlay",
        FlatLayRequest,
        {name: value for name, value in photos().items() if name != "modelId"},
        {"photos": photos(uri(picture(colour="red")))["photos"], "backgroundId": "457"}
        | {"photos.0.id": "front", "photos.0.image": uri(picture(colour="red"))}
        | {"options": {"quality": "low"}, "options.quality": "low", "options.format": "webp"},
    ),
    "form": Create(
        "/api/generate",
        GenerationForm,
        FORM,
        {"productImages": [FORM["productImages"][0] + "?2"], "modelImages": FORM["productImages"]}
        | {"parameters": {"strength": 0.5}, "parameters.strength": 0.5, "model": FORM["model"]},
        never=frozenset({"model"}),
    ),
    "b2b": Create("/api/v1/generation/create", TryOnRequest, TRY_ON, {"image_urls": [PICTURE, OTHER]}),
    "trpc": Create(
        "/api/trpc/tryOn.create",
        CreateOverTrpc,
        {"imageUrls": TRY_ON["image_urls"]},
        {"imageUrls": [PICTURE, OTHER]},
    ),
    "story": Create("/api/stories", NewStory, {"title": "A", "text": "Once."}, {"language": "de"}),
    "webhook": Create(
        "/v1/webhooks",
        NewWebhook,
        {"url": "https://shop.example.org/a"},
        {"url": "https://shop.example.org/b", "events": ["generation.failed"]},
    ),
    "upload": Create(
        "/v1/uploads",
        UploadRequest,
        {"filename": "a.png", "content_type": "image/png", "size_bytes": 7},
        {"content_type": "image/jpeg"},
    ),
}

APART = (ImageGenerationRequest, GenerationInput)
"""Nested bodies that are walked as one of their own, and the input whose fields are each other's alternatives."""


def walk(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """(dotted path, annotation) of every field, those of a nested body included."""
    for name, known in model.model_fields.items():
        yield prefix + name, known
        nested, place = known.annotation, ""
        if get_origin(nested) is list:
            nested, place = get_args(nested)[0], "0."
        if isinstance(nested, type) and issubclass(nested, BaseModel) and nested not in APART:
            yield from walk(nested, f"{prefix}{name}.{place}")


PROBES = [(surface, path) for surface, create in CREATES.items() for path, _ in walk(create.model)]


def sample(create: Create, path: str) -> Any:
    """Another value than the base's or the default."""
    if path == "quote":
        return "in.three.parts"
    if path in create.samples:
        return create.samples[path]
    known = dict(walk(create.model))[path]
    now = create.base.get(path, known.get_default(call_default_factory=True))
    return _other(known.annotation, known.metadata, now)


def _other(annotation: Any, limits: Any, now: Any) -> Any:
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return next(word for word in reversed(inner) if word != now)
    if origin in (Union, types.UnionType):
        return _other(next(option for option in inner if option is not type(None)), limits, now)
    if hasattr(annotation, "__metadata__"):
        return _other(annotation.__origin__, annotation.__metadata__, now)
    if annotation is bool:
        return not now
    if annotation in (int, float):
        return (now or next((limit.ge for limit in limits if hasattr(limit, "ge")), 0) or 0) + 1
    if origin is dict or annotation is dict:
        return {"probe": "x"}
    return "probe"


def with_(base: Any, path: str, value: Any) -> Any:
    """The base with another value at the dotted path."""
    if not path:
        return value
    name, _, rest = path.partition(".")
    if isinstance(base, list):
        return [with_(item, rest, value) if str(index) == name else item for index, item in enumerate(base)]
    return {**base, name: with_(base.get(name, {}), rest, value)}


def deliver_at_once(world: World) -> Callable[[GenerationRequested], Message]:
    """Admits, stores a picture and reports its success."""
    background: set[asyncio.Task[None]] = set()

    async def deliver(request: GenerationRequested) -> None:
        key = artefact_key(request.owner.kind, request.owner.id, request.generation_id, 0, "png")
        await world.container.objects.put(key, b"png", "image/png")
        output = Artefact(key=key, content_type="image/png", size=3, sha256="ab" * 32, width=8, height=9)
        await world.neighbours.say(
            GenerationSucceeded(
                generation_id=request.generation_id,
                outputs=(output,),
                delivered=1,
                captured=1,
                refunded=0,
                provider="x",
            )
        )

    def answer(request: GenerationRequested) -> Message:
        background.add(asyncio.create_task(deliver(request)))
        return admit(request)

    return answer


async def credentials(world: World, surface: str) -> dict[str, str]:
    if surface in ("images", "batch"):
        return (await team_of(world)).headers
    return (await world.store())[1] if surface == "b2b" else (await world.user())[1]


async def trace(world: World, surface: str, create: Create, body: Mapping[str, Any]) -> tuple[httpx.Response, str]:
    """The reply, and all that the request left behind, without what differs each time."""
    world.neighbours.heard.clear()
    headers = await credentials(world, surface)
    if create.form:
        files = {"image": ("me.png", picture(), "image/png")}
        fields = {name: str(value) for name, value in body.items() if value is not None}
        reply = await world.client.post(create.path, headers=headers, data=fields, files=files)
    else:
        given = {name: value for name, value in body.items() if value is not None}
        reply = await world.client.post(create.path, headers=headers, json=given)
    row = await world.pool.fetchval("SELECT request::text FROM generations ORDER BY id DESC LIMIT 1")
    sent = [e.message for e in world.neighbours.heard if isinstance(e.message, GenerationRequested)]
    event = sent[-1].model_dump_json(exclude={"owner", "reply_to"}) if sent else ""
    text = json.dumps([reply.text, row, event])
    for changing in (ID_OR_TIME, SIGNED, COUNTED):
        text = changing.sub("", text)
    return reply, text


@pytest.mark.parametrize(("surface", "path"), PROBES, ids=[f"{surface}-{path}" for surface, path in PROBES])
async def test_a_field_changes_something_or_is_refused(world: World, surface: str, path: str) -> None:
    create = CREATES[surface]
    world.neighbours.answer = deliver_at_once(world)
    base = {**create.base, **create.more.get(path, {})}
    changed = with_(base, path, sample(create, path))
    if path in create.never:
        changed = with_(base, path, "flux")

    before, plain = await trace(world, surface, create, base)
    after, probed = await trace(world, surface, create, changed)

    assert before.status_code < 300 or path in create.more, before.text
    if path in create.never:
        assert after.status_code == 400 and path in after.text
        return
    create.model.model_validate_json(json.dumps({k: v for k, v in changed.items() if v is not None}))
    assert after.status_code < 300 or 400 <= after.status_code < 500, after.text
    assert after.status_code >= 400 or probed != plain, f"{surface}: {path} is taken and ignored"

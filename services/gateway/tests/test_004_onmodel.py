"""Seed 004 on real servers: photos in, a picture or a job out, and nothing left behind by what is refused."""

import asyncio
import base64
import io
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from PIL import Image

from atelier_contracts import Artefact, GenerationFailed, GenerationRequested, GenerationSucceeded, Message
from atelier_contracts.catalogue import BACKGROUNDS, MANNEQUINS
from atelier_storage.keys import artefact_key

from .neighbours import declined, queued
from .world import World

pytestmark = pytest.mark.stack
CREATE = "/v1/generate?onmodel"
AT_ONCE = {"Prefer": "respond-async"}


def picture(kind: str = "png", colour: str = "teal", **options: Any) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (40, 60), colour).save(out, kind, **options)
    return out.getvalue()


def uri(data: bytes, declared: str = "png") -> str:
    return f"data:image/{declared};base64,{base64.b64encode(data).decode()}"


def body(*pictures: str, **changes: Any) -> dict[str, Any]:
    photos = [{"id": str(i), "image": one} for i, one in enumerate(pictures or (uri(picture()),))]
    return {"photos": photos, "modelId": "123", "backgroundId": "456"} | changes


async def left(world: World) -> dict[str, int]:
    tables = ("generations", "idempotency", "outbox", "files")
    return {name: await world.pool.fetchval(f"SELECT count(*) FROM {name}") for name in tables}


NOTHING = {"generations": 0, "idempotency": 0, "outbox": 0, "files": 0}


def refused_with(reply: httpx.Response) -> tuple[int, str]:
    """Every error is {success: false, message, error_code} and no more (004.4)."""
    told = reply.json()
    assert set(told) == {"success", "message", "error_code"} and told["success"] is False and told["message"]
    return reply.status_code, told["error_code"]


def delivering(world: World, owner: UUID) -> None:
    """From now on everything is made at once."""

    def answer(request: GenerationRequested) -> Message:
        key = artefact_key("user", owner, request.generation_id, 0, "png")
        made = Artefact(key=key, content_type="image/png", size=3, sha256="ab" * 32, width=8, height=9)
        done = GenerationSucceeded(
            generation_id=request.generation_id, outputs=(made,), delivered=1, captured=3, refunded=0, provider="local"
        )
        background.add(asyncio.create_task(world.neighbours.say(done)))
        return queued(request)

    background: set[asyncio.Task[None]] = set()
    world.neighbours.answer = answer


async def test_a_picture_made_in_time_is_the_answer(world: World) -> None:
    """004.1 004.2 200 with the seed's fields; the render is told the model, the background and the options."""
    owner, user = await world.user()
    delivering(world, owner)
    options = {"quality": "medium", "format": "webp"}

    made = await world.client.post(
        CREATE, headers=user, json=body(uri(picture()), uri(picture("jpeg"), "jpg"), options=options)
    )

    assert made.status_code == 200
    told = made.json()
    assert told.pop("image_url").startswith("http") and told.pop("generated_at").endswith("Z")
    assert told == {
        "success": True,
        "message": "on-model image generation completed",
        "model_id": 123,
        "background_id": 456,
        "photo_count": 2,
        "status": "completed",
        "feature": "onmodel",
    }
    spec = next(e.message.spec for e in world.neighbours.heard if isinstance(e.message, GenerationRequested))
    assert (spec.kind, spec.mannequin, spec.background) == ("on_model", "123", "456")
    assert (spec.quality, spec.format, len(spec.inputs)) == ("medium", "webp", 2)
    rows = await world.pool.fetch(
        "SELECT * FROM files WHERE generation_id IS NOT NULL AND category = 'photo' ORDER BY image_order"
    )
    assert [(row["content_type"], row["width"], row["height"]) for row in rows] == [
        ("image/png", 40, 60),
        ("image/jpeg", 40, 60),
    ]


async def test_options_have_defaults(world: World) -> None:
    """004.1 Quality high, format png."""
    _, user = await world.user()

    assert (await world.client.post(CREATE, headers=user | AT_ONCE, json=body())).status_code == 202

    request = next(e.message for e in world.neighbours.heard if isinstance(e.message, GenerationRequested))
    assert (request.work.quality, request.spec.quality, request.spec.format) == ("high", "high", "png")


async def test_what_takes_longer_is_a_job(world: World) -> None:
    """004.2 202 with a job, whose status answers in the 200 shape: processing, then completed."""
    owner, user = await world.user()

    started = await world.client.post(CREATE, headers=user, json=body())

    assert started.status_code == 202
    told = started.json()
    assert (told["success"], told["status"], told["message"]) == (True, "processing", "On-model generation started")
    assert (told["estimated_time"], told["model_id"], told["background_id"], told["photo_count"]) == (30, 123, 456, 1)
    path = f"/v1/onmodel/status/{told['job_id']}"
    waiting = (await world.client.get(path, headers=user)).json()
    assert (waiting["status"], waiting["image_url"], waiting["feature"]) == ("processing", None, "onmodel")

    key = artefact_key("user", owner, UUID(told["job_id"]), 0, "png")
    made = Artefact(key=key, content_type="image/png", size=3, sha256="ab" * 32)
    await world.neighbours.say(
        GenerationSucceeded(
            generation_id=UUID(told["job_id"]), outputs=(made,), delivered=1, captured=3, refunded=0, provider="local"
        )
    )

    async def completed() -> bool:
        return bool((await world.client.get(path, headers=user)).json()["status"] == "completed")

    await world.until(completed)
    assert (await world.client.get(path, headers=user)).json()["image_url"].startswith("http")


async def test_a_failure_is_told_while_waiting_and_afterwards(world: World) -> None:
    """004.2 004.4 503 within the wait; the job stays readable, failed."""
    _, user = await world.user()
    started = await world.client.post(CREATE, headers=user | AT_ONCE, json=body())
    job = UUID(started.json()["job_id"])
    await world.neighbours.say(
        GenerationFailed(
            generation_id=job, outcome="failed", code="provider_failed", reason="no garment found", refunded=3
        )
    )

    async def failed() -> bool:
        return bool((await world.client.get(f"/v1/onmodel/status/{job}", headers=user)).json()["status"] == "failed")

    await world.until(failed)
    told = (await world.client.get(f"/v1/onmodel/status/{job}", headers=user)).json()
    assert (told["success"], told["message"], told["image_url"]) == (False, "no garment found", None)

    def failing(request: GenerationRequested) -> Message:
        return GenerationFailed(
            generation_id=request.generation_id, outcome="failed", code="provider_failed", reason="broken", refunded=3
        )

    def answer(request: GenerationRequested) -> Message:
        later.append(asyncio.create_task(world.neighbours.say(failing(request))))
        return queued(request)

    later: list[asyncio.Task[None]] = []
    world.neighbours.answer = answer
    assert refused_with(await world.client.post(CREATE, headers=user, json=body())) == (503, "PROVIDER_FAILED")


@pytest.mark.parametrize(
    ("query", "changes"),
    [
        ("", {}),
        ("?onmodel&flatlay", {}),
        ("?onmodel", {"photos": []}),
        ("?onmodel", {"modelId": "999"}),
        ("?onmodel", {"modelId": 123}),
        ("?onmodel", {"backgroundId": "nowhere"}),
        ("?onmodel", {"options": {"quality": "best"}}),
        ("?onmodel", {"options": {"format": "gif"}}),
        ("?onmodel", {"credits": 0}),
        ("?onmodel", {"photos": [{"id": "0", "image": "https://cdn.net/x.png"}]}),
        ("?onmodel", {"photos": [{"id": "0", "image": "data:image/gif;base64,R0lGODlhAQABAAAAACw="}]}),
        ("?onmodel", {"photos": [{"id": "0", "image": "data:image/png;base64,####"}]}),
        ("?onmodel", {"photos": [{"id": "0", "image": uri(b"not a picture")}]}),
        ("?onmodel", {"photos": [{"id": "0", "image": uri(picture()[: len(picture()) // 2])}]}),
        ("?onmodel", {"photos": [{"id": "0", "image": uri(picture())}, {"id": "0", "image": uri(picture())}]}),
        ("?onmodel", {"photos": [{"id": "0", "image": uri(picture())}, {"id": "1", "image": uri(b"broken")}]}),
        ("?flatlay", {}),
    ],
)
async def test_what_cannot_be_used_is_400_and_leaves_nothing(world: World, query: str, changes: dict[str, Any]) -> None:
    """004.1 004.4 004.6 INVALID_REQUEST; the last one: a flat-lay takes no modelId."""
    _, user = await world.user()

    refused = await world.client.post(f"/v1/generate{query}", headers=user, json=body() | changes)

    assert refused_with(refused) == (400, "INVALID_REQUEST")
    assert await left(world) == NOTHING


async def test_a_mislabelled_photo_is_taken_for_what_it_is(world: World) -> None:
    """Settled 14: the type is told from the bytes."""
    _, user = await world.user()

    made = await world.client.post(CREATE, headers=user | AT_ONCE, json=body(uri(picture("webp"), "jpeg")))

    assert made.status_code == 202
    assert await world.pool.fetchval("SELECT DISTINCT content_type FROM files") == "image/webp"


async def test_ids_are_numbers_when_they_are_numeric(world: World) -> None:
    """004.3 Else they stay the string."""
    _, user = await world.user()

    words = body(modelId="model_abc", backgroundId="bg_studio_white")
    told = (await world.client.post(CREATE, headers=user | AT_ONCE, json=words)).json()

    assert (told["model_id"], told["background_id"]) == ("model_abc", "bg_studio_white")


async def test_who_may_not_is_told_in_the_same_envelope(world: World) -> None:
    """004.4 401, 402 with nothing left behind, 404 for an unknown and for another user's job alike, 405."""
    _, user = await world.user()
    _, stranger = await world.user()
    _, store = await world.store()
    assert refused_with(await world.client.post(CREATE, json=body())) == (401, "UNAUTHORIZED")
    assert refused_with(await world.client.post(CREATE, headers=store, json=body())) == (401, "UNAUTHORIZED")

    world.neighbours.answer = declined
    assert refused_with(await world.client.post(CREATE, headers=user, json=body())) == (402, "INSUFFICIENT_CREDITS")
    assert await left(world) == NOTHING

    world.neighbours.reset()
    job = (await world.client.post(CREATE, headers=user | AT_ONCE, json=body())).json()["job_id"]
    for id_ in (job, uuid4(), "x"):
        refused = await world.client.get(f"/v1/onmodel/status/{id_}", headers=stranger)
        assert refused_with(refused) == (404, "NOT_FOUND")
    assert refused_with(await world.client.get(f"/v1/flatlay/status/{job}", headers=user)) == (404, "NOT_FOUND")
    assert refused_with(await world.client.delete("/v1/generate", headers=user)) == (405, "METHOD_NOT_ALLOWED")


async def test_bodies_of_several_megabytes_are_normal_and_larger_ones_are_413(world: World) -> None:
    """004.5 8 MB a photo, decoded; 25 MB a request."""
    _, user = await world.user()
    noise = Image.effect_noise((2_000, 1_500), 90).convert("RGB")
    out = io.BytesIO()
    noise.save(out, "png", compress_level=0)
    large = out.getvalue()
    assert len(large) > 8 * 1024 * 1024
    out = io.BytesIO()
    noise.crop((0, 0, 1_200, 1_500)).save(out, "png", compress_level=0)
    normal = out.getvalue()

    taken = await world.client.post(CREATE, headers=user | AT_ONCE, json=body(uri(normal), uri(normal)))
    photo = await world.client.post(CREATE, headers=user, json=body(uri(large)))
    whole = await world.client.post(CREATE, headers=user, content=b"x" * (25 * 1024 * 1024 + 1))

    assert len(normal) > 5_000_000 and taken.status_code == 202
    assert refused_with(photo) == (413, "REQUEST_TOO_LARGE")
    assert refused_with(whole) == (413, "REQUEST_TOO_LARGE")


async def test_a_flat_lay_has_no_model(world: World) -> None:
    """004.6 The sibling feature, with a status route of its own."""
    _, user = await world.user()
    flat = {name: value for name, value in body().items() if name != "modelId"}

    started = await world.client.post("/v1/generate?flatlay", headers=user | AT_ONCE, json=flat)

    told = started.json()
    assert (started.status_code, told["message"]) == (202, "Flat-lay generation started")
    assert "model_id" not in told and told["background_id"] == 456
    shown = await world.client.get(f"/v1/flatlay/status/{told['job_id']}", headers=user)
    assert (shown.json()["feature"], shown.json()["status"]) == ("flatlay", "processing")
    spec = next(e.message.spec for e in world.neighbours.heard if isinstance(e.message, GenerationRequested))
    assert (spec.kind, spec.mannequin, spec.background) == ("flat_lay", None, "456")


async def test_the_catalogues_and_their_aliases(world: World) -> None:
    """004.6 Settled 4: ``/v1/models`` without the query stays OpenAI's."""
    _, user = await world.user()

    for path in ("/v1/onmodel/models", "/v1/models?onmodel"):
        told = (await world.client.get(path, headers=user)).json()
        assert [str(one["id"]) for one in told["models"]] == list(MANNEQUINS)
        assert told["models"][0]["id"] == 123
        assert refused_with(await world.client.get(path)) == (401, "UNAUTHORIZED")
    for path in ("/v1/onmodel/backgrounds", "/v1/backgrounds"):
        told = (await world.client.get(path, headers=user)).json()
        assert [str(one["id"]) for one in told["backgrounds"]] == list(BACKGROUNDS)
    assert (await world.client.get("/v1/models", headers=user)).json()["object"] == "list"


async def test_one_key_is_one_job(world: World) -> None:
    """Settled 6: a repeated request stores no photo again, waits for the same job, and is told the same."""
    owner, user = await world.user()
    delivering(world, owner)
    keyed = user | {"Idempotency-Key": "k1"}
    request = body()

    first = await world.client.post(CREATE, headers=keyed, json=request)
    again = await world.client.post(CREATE, headers=keyed, json=request)
    other = await world.client.post(CREATE, headers=keyed, json=body(uri(picture(colour="red"))))

    assert (first.status_code, again.status_code, again.headers["Idempotency-Replayed"]) == (200, 200, "true")
    assert first.json()["generated_at"] == again.json()["generated_at"]
    assert refused_with(other) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert len(world.neighbours.started) == 1
    assert await world.pool.fetchval("SELECT count(*) FROM files WHERE generation_id IS NULL") == 1


async def test_equal_requests_at_once_are_one_job(world: World) -> None:
    """Settled 6: the others are told to wait, or told the same job; their photos are gone again."""
    _, user = await world.user()
    keyed = user | AT_ONCE | {"Idempotency-Key": "k1"}
    request = body()

    replies = await asyncio.gather(*(world.client.post(CREATE, headers=keyed, json=request) for _ in range(10)))

    assert {reply.status_code for reply in replies} <= {202, 409}
    assert len({reply.json()["job_id"] for reply in replies if reply.status_code == 202}) == 1
    assert len(world.neighbours.started) == 1
    assert await world.pool.fetchval("SELECT count(*) FROM files WHERE generation_id IS NULL") == 1

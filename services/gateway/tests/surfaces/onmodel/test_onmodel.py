"""Seed 004 on real servers: photos in, a picture or a job out, the catalogues."""

import asyncio
from uuid import UUID

import pytest

from atelier_contracts import Artefact, GenerationFailed, GenerationRequested, GenerationSucceeded, Message
from atelier_contracts.catalogue import BACKGROUNDS, MANNEQUINS
from atelier_storage.keys import artefact_key

from ...support.neighbours import admit
from ...support.onmodel import AT_ONCE, CREATE, body, deliver_pictures, error_of, picture, uri
from ...support.world import World

pytestmark = pytest.mark.stack


async def test_a_picture_made_in_time_is_the_answer(world: World) -> None:
    """004.1 004.2 200 with the seed's fields; the render gets the model, the background and the options."""
    owner, user = await world.user()
    deliver_pictures(world, owner)
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


@pytest.mark.usefixtures("short_waits")
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

    async def is_completed() -> bool:
        return bool((await world.client.get(path, headers=user)).json()["status"] == "completed")

    await world.until(is_completed)
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

    async def has_failed() -> bool:
        return bool((await world.client.get(f"/v1/onmodel/status/{job}", headers=user)).json()["status"] == "failed")

    await world.until(has_failed)
    told = (await world.client.get(f"/v1/onmodel/status/{job}", headers=user)).json()
    assert (told["success"], told["message"], told["image_url"]) == (False, "no garment found", None)

    def fail(request: GenerationRequested) -> Message:
        return GenerationFailed(
            generation_id=request.generation_id, outcome="failed", code="provider_failed", reason="broken", refunded=3
        )

    def answer(request: GenerationRequested) -> Message:
        later.append(asyncio.create_task(world.neighbours.say(fail(request))))
        return admit(request)

    later: list[asyncio.Task[None]] = []
    world.neighbours.answer = answer
    assert error_of(await world.client.post(CREATE, headers=user, json=body())) == (503, "PROVIDER_FAILED")


async def test_ids_are_numbers_when_they_are_numeric(world: World) -> None:
    """004.3 Else they stay the string."""
    _, user = await world.user()

    words = body(modelId="model_abc", backgroundId="bg_studio_white")
    told = (await world.client.post(CREATE, headers=user | AT_ONCE, json=words)).json()

    assert (told["model_id"], told["background_id"]) == ("model_abc", "bg_studio_white")


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
        assert [model["id"] for model in told["models"]] == list(MANNEQUINS)
        assert error_of(await world.client.get(path)) == (401, "UNAUTHORIZED")
    for path in ("/v1/onmodel/backgrounds", "/v1/backgrounds"):
        told = (await world.client.get(path, headers=user)).json()
        assert [background["id"] for background in told["backgrounds"]] == list(BACKGROUNDS)
    assert (await world.client.get("/v1/models", headers=user)).json()["object"] == "list"


async def test_what_a_catalogue_or_a_reply_gives_can_be_given_back(world: World) -> None:
    """Settled 21: strings in the catalogues, as creates take them; a reply's numbers name the same things."""
    _, user = await world.user()
    model = (await world.client.get("/v1/onmodel/models", headers=user)).json()["models"][0]["id"]
    ground = (await world.client.get("/v1/onmodel/backgrounds", headers=user)).json()["backgrounds"][0]["id"]

    listed = await world.client.post(CREATE, headers=user | AT_ONCE, json=body(modelId=model, backgroundId=ground))
    told = listed.json()
    changed = {"modelId": told["model_id"], "backgroundId": told["background_id"]}
    again = await world.client.post(
        CREATE, headers=user | AT_ONCE, json=body(**changed) | {"photos": [{"id": 0, "image": uri(picture())}]}
    )

    assert (listed.status_code, again.status_code) == (202, 202)
    assert (again.json()["model_id"], again.json()["background_id"]) == (told["model_id"], told["background_id"])
    specs = [e.message.spec for e in world.neighbours.heard if isinstance(e.message, GenerationRequested)]
    assert {(spec.mannequin, spec.background) for spec in specs} == {(model, ground)}
    kept = await world.pool.fetchval("SELECT request FROM generations ORDER BY created_at DESC LIMIT 1")
    assert kept["photos"] == ["0"]

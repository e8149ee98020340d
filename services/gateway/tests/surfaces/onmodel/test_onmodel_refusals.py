"""Seed 004 on real servers: what is refused leaves nothing behind, and what comes twice or all at once is borne."""

import asyncio
import io
from typing import Any
from uuid import uuid4

import pytest
from PIL import Image

from atelier_gateway.idempotency import store as idempotency_store

from ...support.neighbours import decline
from ...support.onmodel import (
    AT_ONCE,
    CREATE,
    NOTHING,
    body,
    deliver_pictures,
    error_of,
    picture,
    rows_and_objects,
    uri,
)
from ...support.world import World

BURST = 20
pytestmark = pytest.mark.stack


@pytest.mark.parametrize(
    ("query", "changes"),
    [
        ("", {}),
        ("?onmodel&flatlay", {}),
        ("?onmodel", {"photos": []}),
        ("?onmodel", {"modelId": "999"}),
        ("?onmodel", {"modelId": 123.0}),
        ("?onmodel", {"modelId": True}),
        ("?onmodel", {"modelId": 10**300}),
        ("?onmodel", {"backgroundId": "nowhere"}),
        ("?onmodel", {"options": {"quality": "best"}}),
        ("?onmodel", {"options": {"format": "gif"}}),
        ("?onmodel", {"credits": 0}),
        ("?onmodel", {"photos": [{"id": "0", "image": "https://cdn.net/x.png"}]}),
        ("?onmodel", {"photos": [{"id": "0", "image": "data:image/gif;base64,R0lGODlhAQABAAAAACw="}]}),
        ("?onmodel", {"photos": [{"id": "0", "image": "data:image/png;base64,####"}]}),
        ("?onmodel", {"photos": [{"id": "0", "image": uri(b"not a picture")}]}),
        ("?onmodel", {"photos": [{"id": "0", "image": uri(picture()[: len(picture()) // 2])}]}),
        ("?onmodel", {"photos": [{"id": "0", "image": uri(picture()[:-20])}]}),
        ("?onmodel", {"photos": [{"id": "0", "image": uri(picture())}, {"id": "0", "image": uri(picture())}]}),
        ("?onmodel", {"photos": [{"id": "0", "image": uri(picture())}, {"id": "1", "image": uri(b"broken")}]}),
        ("?flatlay", {}),
    ],
)
async def test_what_cannot_be_used_is_400_and_leaves_nothing(world: World, query: str, changes: dict[str, Any]) -> None:
    """004.1 004.4 004.6 INVALID_REQUEST; the last one: a flat-lay takes no modelId."""
    _, user = await world.user()

    refused = await world.client.post(f"/v1/generate{query}", headers=user, json=body() | changes)

    assert error_of(refused) == (400, "INVALID_REQUEST")
    assert await rows_and_objects(world) == NOTHING


async def test_a_mislabelled_photo_is_taken_for_what_it_is(world: World) -> None:
    """Settled 14: the type comes from the bytes."""
    _, user = await world.user()

    made = await world.client.post(CREATE, headers=user | AT_ONCE, json=body(uri(picture("webp"), "jpeg")))

    assert made.status_code == 202
    assert await world.pool.fetchval("SELECT DISTINCT content_type FROM files") == "image/webp"


async def test_the_photos_of_an_admitted_job_stay_though_its_response_cannot_be_stored(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, user = await world.user()

    def fail(*_: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(idempotency_store, "save_responses", fail)
        failed = await world.client.post(CREATE, headers=user | AT_ONCE | {"Idempotency-Key": "one"}, json=body())

    keys = [row["key"] for row in await world.pool.fetch("SELECT key FROM files")]
    assert failed.status_code == 500 and keys
    assert [(await world.container.objects.stat(key)).size > 0 for key in keys] == [True] * len(keys)


async def test_who_may_not_is_told_in_the_same_envelope(world: World) -> None:
    """004.4 401, 402 with nothing left behind, 404 for an unknown and for another user's job alike, 405."""
    _, user = await world.user()
    _, stranger = await world.user()
    _, store = await world.store()
    assert error_of(await world.client.post(CREATE, json=body())) == (401, "UNAUTHORIZED")
    assert error_of(await world.client.post(CREATE, headers=store, json=body())) == (401, "UNAUTHORIZED")

    world.neighbours.answer = decline
    assert error_of(await world.client.post(CREATE, headers=user, json=body())) == (402, "INSUFFICIENT_CREDITS")
    assert await rows_and_objects(world) == NOTHING

    world.neighbours.reset()
    job = (await world.client.post(CREATE, headers=user | AT_ONCE, json=body())).json()["job_id"]
    for id_ in (job, uuid4(), "x"):
        refused = await world.client.get(f"/v1/onmodel/status/{id_}", headers=stranger)
        assert error_of(refused) == (404, "NOT_FOUND")
    assert error_of(await world.client.get(f"/v1/flatlay/status/{job}", headers=user)) == (404, "NOT_FOUND")
    assert error_of(await world.client.delete("/v1/generate", headers=user)) == (405, "METHOD_NOT_ALLOWED")


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
    assert error_of(photo) == (413, "REQUEST_TOO_LARGE")
    assert error_of(whole) == (413, "REQUEST_TOO_LARGE")


async def test_one_key_is_one_job(world: World) -> None:
    """Settled 6: a repeated request stores no photo again, waits for the same job, and gets the same answer."""
    owner, user = await world.user()
    deliver_pictures(world, owner)
    keyed = user | {"Idempotency-Key": "k1"}
    request = body()

    first = await world.client.post(CREATE, headers=keyed, json=request)
    again = await world.client.post(CREATE, headers=keyed, json=request)
    other = await world.client.post(CREATE, headers=keyed, json=body(uri(picture(colour="red"))))

    assert (first.status_code, again.status_code, again.headers["Idempotency-Replayed"]) == (200, 200, "true")
    assert first.json()["generated_at"] == again.json()["generated_at"]
    assert error_of(other) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert len(world.neighbours.started) == 1
    assert await world.pool.fetchval("SELECT count(*) FROM files WHERE generation_id IS NULL") == 1


async def test_equal_requests_at_once_are_one_job(world: World) -> None:
    """Settled 6: the others take their turns and get the same job; no photo of theirs is decoded or stored."""
    _, user = await world.user()
    keyed = user | AT_ONCE | {"Idempotency-Key": "k1"}
    request = body()

    replies = await asyncio.gather(*(world.client.post(CREATE, headers=keyed, json=request) for _ in range(10)))

    assert {(reply.status_code, reply.content) for reply in replies} == {(202, replies[0].content)}
    assert len(world.neighbours.started) == 1
    assert await world.pool.fetchval("SELECT count(*) FROM files WHERE generation_id IS NULL") == 1


async def test_more_photos_at_once_than_are_decoded_at_once_wait_their_turn(world: World) -> None:
    """004.2 A burst is waited for, not refused."""
    _, user = await world.user()
    request = body()

    replies = await asyncio.gather(
        *(world.client.post(CREATE, headers=user | AT_ONCE, json=request) for _ in range(BURST))
    )

    assert {reply.status_code for reply in replies} == {202}, [r.text for r in replies if r.status_code != 202][:3]

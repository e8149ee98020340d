"""The native surface on real servers: waiting, listing, cancelling, deleting (REQUIREMENTS, the native surface)."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from atelier_contracts import (
    Artefact,
    CancelRequested,
    GenerationFailed,
    GenerationSucceeded,
    RenderStarted,
)
from atelier_gateway import cancelling
from atelier_gateway.surfaces.native.generations import wait_s
from atelier_storage.errors import StorageUnavailable
from atelier_storage.keys import artefact_key
from atelier_storage.objects import ObjectStore

from .neighbours import queued, silent
from .world import World

pytestmark = pytest.mark.stack
IMAGE = {"kind": "image", "prompt": "a cat", "size": "256x256"}
NARRATION = {"kind": "narration", "prompt": "once upon a time"}


async def create(world: World, headers: dict[str, str], body: dict[str, Any] | None = None, **more: str) -> UUID:
    made = await world.client.post("/v1/generations", headers=headers | more, json=body or IMAGE)
    assert made.status_code == 201, made.text
    generation = UUID(made.json()["id"])
    if world.neighbours.answer is queued:
        await projected(world, generation, "queued")
    return generation


async def projected(world: World, generation: UUID, state: str) -> None:
    async def looks_so() -> bool:
        found = await world.pool.fetchval("SELECT state FROM generations WHERE id = $1", generation)
        return bool(found == state)

    await world.until(looks_so)


async def shown(world: World, headers: dict[str, str], generation: UUID) -> dict[str, Any]:
    found: dict[str, Any] = (await world.client.get(f"/v1/generations/{generation}", headers=headers)).json()
    return found


async def reached(world: World, headers: dict[str, str], generation: UUID, status: str) -> None:
    async def looks_so() -> bool:
        return bool((await shown(world, headers, generation))["status"] == status)

    await world.until(looks_so)


async def fail(world: World, headers: dict[str, str], generation: UUID) -> None:
    await world.neighbours.say(
        GenerationFailed(generation_id=generation, outcome="failed", code="provider_failed", reason="no", refunded=1)
    )
    await reached(world, headers, generation, "failed")


async def cancel(world: World, headers: dict[str, str], generation: UUID, key: str | None = None) -> httpx.Response:
    keyed = {"Idempotency-Key": key} if key else {}
    return await world.client.post(f"/v1/generations/{generation}/cancel", headers=headers | keyed)


def cancels_heard(world: World) -> int:
    return sum(isinstance(envelope.message, CancelRequested) for envelope in world.neighbours.heard)


def success(generation: UUID, *outputs: Artefact) -> GenerationSucceeded:
    return GenerationSucceeded(
        generation_id=generation, outputs=outputs, delivered=1, captured=1, refunded=0, provider="local"
    )


async def test_who_likes_to_wait_gets_200_when_it_is_done(world: World) -> None:
    _, headers = await world.user()
    waiting = asyncio.create_task(
        world.client.post("/v1/generations", headers=headers | {"Prefer": "wait=20"}, json=IMAGE)
    )

    async def started() -> bool:
        return bool(world.neighbours.started)

    await world.until(started)
    await world.neighbours.say(success(world.neighbours.started[0]))
    done = await waiting

    assert (done.status_code, done.json()["status"]) == (200, "succeeded")
    assert done.headers["Preference-Applied"] == "wait=20"


async def test_who_waits_in_vain_gets_201_and_the_same_generation_again(world: World) -> None:
    _, headers = await world.user()
    patient = headers | {"Prefer": "wait=1", "Idempotency-Key": "w1"}

    first = await world.client.post("/v1/generations", headers=patient, json=IMAGE)
    await fail(world, headers, UUID(first.json()["id"]))
    again = await world.client.post("/v1/generations", headers=patient, json=IMAGE)

    assert (first.status_code, first.json()["status"]) == (201, "queued")
    assert (again.status_code, again.json()["status"]) == (200, "failed")
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.json()["id"] == first.json()["id"]


@pytest.mark.parametrize(
    ("prefer", "seconds"),
    [
        (None, 0),
        ("wait=5", 5),
        ("respond-async, wait=10", 10),
        ('wait="7"', 7),
        ("Wait = 3; x=1", 3),
        ("wait=100", 30),
        ("wait=x", 0),
        ("nowait=5", 0),
        ("wait=-1", 0),
    ],
)
def test_a_preference_that_cannot_be_read_is_no_preference(prefer: str | None, seconds: int) -> None:
    assert wait_s(prefer) == seconds


async def test_a_list_shows_ones_own_newest_first_page_after_page(world: World) -> None:
    _, headers = await world.user()
    _, other = await world.user()
    made = [await create(world, headers) for _ in range(5)]
    await create(world, other)

    seen: list[str] = []
    cursor, pages = None, 0
    while pages == 0 or cursor:
        query = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
        page = (await world.client.get("/v1/generations", headers=headers, params=query)).json()
        seen, cursor, pages = [*seen, *(one["id"] for one in page["data"])], page["next_cursor"], pages + 1

    assert seen == [str(id_) for id_ in reversed(made)]
    assert pages == 3


async def test_a_list_is_filtered_by_status_and_by_kind(world: World) -> None:
    _, headers = await world.user()
    failed, waiting, read = [await create(world, headers, body) for body in (IMAGE, IMAGE, NARRATION)]
    await fail(world, headers, failed)

    async def ids(**query: str) -> list[str]:
        page = await world.client.get("/v1/generations", headers=headers, params=query)
        return [one["id"] for one in page.json()["data"]]

    assert await ids(status="failed") == [str(failed)]
    assert await ids(status="queued") == [str(read), str(waiting)]
    assert await ids(status="queued", kind="narration") == [str(read)]
    assert await ids(status="rendering") == []


@pytest.mark.parametrize("query", ["status=done", "kind=photo", "limit=0", "limit=101", "limit=x", "cursor=x"])
async def test_a_query_that_means_nothing_is_400_naming_the_parameter(world: World, query: str) -> None:
    _, headers = await world.user()

    refused = await world.client.get(f"/v1/generations?{query}", headers=headers)

    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (400, query.partition("=")[0])


async def test_cancelling_what_waits_or_is_rendered_gives_everything_back(world: World) -> None:
    _, headers = await world.user()
    waiting, rendering = await create(world, headers), await create(world, headers)
    await world.neighbours.say(RenderStarted(generation_id=rendering, attempt=1))
    await reached(world, headers, rendering, "rendering")

    for generation in (waiting, rendering):
        ended = await cancel(world, headers, generation)
        assert (ended.status_code, ended.json()["status"]) == (200, "cancelled")
        assert ended.json()["credits"] == {"reserved": 1, "captured": 0, "refunded": 1}


async def test_cancelling_what_is_already_being_charged_tells_that_it_was_delivered(world: World) -> None:
    _, headers = await world.user()
    generation = await create(world, headers)
    world.neighbours.stop = lambda cancelled: success(cancelled.generation_id)

    ended = await cancel(world, headers, generation)

    assert (ended.status_code, ended.json()["status"]) == (200, "succeeded")
    assert ended.json()["credits"]["captured"] == 1


async def test_cancelling_what_takes_longer_to_stop_is_202(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cancelling, "END_S_MAX", 0.2)
    _, headers = await world.user()
    generation = await create(world, headers)
    world.neighbours.stop = silent

    stopping = await cancel(world, headers, generation)

    assert (stopping.status_code, stopping.json()["status"]) == (202, "queued")
    assert cancels_heard(world) == 1


async def _never_answered(world: World, headers: dict[str, str]) -> UUID:
    """A generation that was accepted although neither the saga nor the session's HTTP has said a word."""
    world.neighbours.answer, world.neighbours.verdict = silent, None
    return await create(world, headers)


async def test_cancelling_what_the_saga_never_heard_of_withdraws_it(world: World) -> None:
    _, headers = await world.user()
    generation = await _never_answered(world, headers)
    world.neighbours.verdict = "withdrawn"

    ended = await cancel(world, headers, generation)

    assert (ended.status_code, ended.json()["status"]) == (200, "cancelled")
    assert ended.json()["credits"] == {"reserved": 0, "captured": 0, "refunded": 0}
    assert cancels_heard(world) == 0


async def test_cancelling_while_credits_are_being_reserved_goes_through_the_saga(world: World) -> None:
    _, headers = await world.user()
    generation = await _never_answered(world, headers)
    world.neighbours.verdict = "reserving"

    ended = await cancel(world, headers, generation)

    assert (ended.status_code, ended.json()["status"]) == (200, "cancelled")
    assert cancels_heard(world) == 1


async def test_cancelling_what_has_ended_is_409_and_changes_nothing(world: World) -> None:
    _, headers = await world.user()
    generation = await create(world, headers)
    await fail(world, headers, generation)
    before = await shown(world, headers, generation)

    refused = await cancel(world, headers, generation, "c1")

    assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
    assert await shown(world, headers, generation) == before
    assert cancels_heard(world) == 0
    assert (await world.rows())["idempotency"] == 0


async def test_a_cancel_is_said_again_by_its_key(world: World) -> None:
    _, headers = await world.user()
    generation, another = await create(world, headers), await create(world, headers)

    first = await cancel(world, headers, generation, "c1")
    again = await cancel(world, headers, generation, "c1")
    reused = await cancel(world, headers, another, "c1")
    malformed = await cancel(world, headers, another, "a b")

    assert (again.status_code, again.content) == (200, first.content)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert (reused.status_code, malformed.status_code) == (422, 400)
    assert cancels_heard(world) == 1


async def test_a_cancel_under_way_holds_its_key(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cancelling, "END_S_MAX", 1.0)
    _, headers = await world.user()
    generation = await create(world, headers)
    world.neighbours.stop = silent

    replies = await asyncio.gather(*(cancel(world, headers, generation, "c1") for _ in range(5)))

    assert sorted(reply.status_code for reply in replies) == [202, 409, 409, 409, 409]
    assert cancels_heard(world) == 1


async def test_only_what_has_ended_can_be_deleted(world: World) -> None:
    _, headers = await world.user()
    generation = await create(world, headers)
    path = f"/v1/generations/{generation}"

    early = await world.client.delete(path, headers=headers)
    await fail(world, headers, generation)
    deleted = await world.client.delete(path, headers=headers)

    assert (early.status_code, early.json()["code"]) == (409, "conflict")
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert (await world.client.get(path, headers=headers)).status_code == 404
    assert (await world.client.delete(path, headers=headers)).status_code == 404
    assert await world.pool.fetchval("SELECT count(*) FROM generation_events") == 0


async def test_what_cannot_be_removed_from_the_store_stays_whole(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(_: ObjectStore, key: str) -> None:
        raise StorageUnavailable(f"cannot remove {key}")

    monkeypatch.setattr(ObjectStore, "remove", away)
    user, headers = await world.user()
    generation = await create(world, headers)
    key = artefact_key("user", user, generation, 0, "png")
    made = Artefact(key=key, content_type="image/png", size=3, sha256="ab" * 32, width=8, height=9)
    await world.neighbours.say(success(generation, made))
    await reached(world, headers, generation, "succeeded")

    refused = await world.client.delete(f"/v1/generations/{generation}", headers=headers)

    assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")
    assert (await shown(world, headers, generation))["outputs"][0]["key"] == key


async def test_its_place_in_the_queue_is_shown_while_it_waits(world: World) -> None:
    _, headers = await world.user()
    generation = await create(world, headers)
    world.neighbours.records[f"queue/{generation}"] = {"position": 3, "eta_s": 12}

    waiting = await shown(world, headers, generation)
    await fail(world, headers, generation)
    ended = await shown(world, headers, generation)

    assert (waiting["queue_position"], waiting["eta_s"]) == (3, 12)
    assert (ended["queue_position"], ended["eta_s"]) == (None, None)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("DELETE", ""),
        ("POST", "/cancel"),
        ("GET", "/events"),
        ("GET", "/explain"),
        ("GET", "/receipt"),
    ],
)
async def test_another_tenants_generation_is_unknown_on_every_route(world: World, method: str, path: str) -> None:
    _, mine = await world.user()
    generation = await create(world, mine)
    await fail(world, mine, generation)
    _, user = await world.user()
    _, store = await world.store()

    for stranger in (user, store):
        replies = [
            await world.client.request(method, f"/v1/generations/{id_}{path}", headers=stranger)
            for id_ in (generation, uuid4(), "x")
        ]
        assert {(reply.status_code, reply.content) for reply in replies} == {(404, replies[0].content)}
    unknown = await world.client.request(method, f"/v1/generations/{generation}{path}")
    assert unknown.status_code == 401
    assert (await shown(world, mine, generation))["status"] == "failed"

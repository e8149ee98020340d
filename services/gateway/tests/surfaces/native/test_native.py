"""The native surface on real servers: waiting, listing, deleting."""

import asyncio
from uuid import UUID, uuid4

import pytest

from atelier_contracts import Artefact, ArtefactsExpired, GenerationDeleted, GenerationRequested
from atelier_gateway.surfaces.native.generations import parse_wait_s
from atelier_storage.errors import StorageUnavailable
from atelier_storage.keys import artefact_key, thumbnail_key
from atelier_storage.objects import ObjectStore

from ...support.native import IMAGE, NARRATION, create, fail, get_view, success, wait_until_status
from ...support.world import World

pytestmark = pytest.mark.stack


async def test_who_likes_to_wait_gets_200_when_it_is_done(world: World) -> None:
    _, headers = await world.user()
    waiting = asyncio.create_task(
        world.client.post("/v1/generations", headers=headers | {"Prefer": "wait=20"}, json=IMAGE)
    )

    async def has_started() -> bool:
        return bool(world.neighbours.started)

    await world.until(has_started)
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
    assert parse_wait_s(prefer) == seconds


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
        seen, cursor, pages = [*seen, *(row["id"] for row in page["data"])], page["next_cursor"], pages + 1

    assert seen == [str(id_) for id_ in reversed(made)]
    assert pages == 3


async def test_a_list_is_filtered_by_status_and_by_kind(world: World) -> None:
    _, headers = await world.user()
    failed, waiting, read = [await create(world, headers, body) for body in (IMAGE, IMAGE, NARRATION)]
    await fail(world, headers, failed)

    async def ids(**query: str) -> list[str]:
        page = await world.client.get("/v1/generations", headers=headers, params=query)
        return [row["id"] for row in page.json()["data"]]

    assert await ids(status="failed") == [str(failed)]
    assert await ids(status="queued") == [str(read), str(waiting)]
    assert await ids(status="queued", kind="narration") == [str(read)]
    assert await ids(status="rendering") == []


@pytest.mark.parametrize("query", ["status=done", "kind=photo", "limit=0", "limit=101", "limit=x", "cursor=x"])
async def test_a_query_that_means_nothing_is_400_naming_the_parameter(world: World, query: str) -> None:
    _, headers = await world.user()

    refused = await world.client.get(f"/v1/generations?{query}", headers=headers)

    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (400, query.partition("=")[0])


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

    async def render_knows() -> bool:
        return any(
            envelope.message == GenerationDeleted(generation_id=generation) for envelope in world.neighbours.heard
        )

    await world.until(render_knows)


async def test_an_output_is_shown_with_what_it_looks_like_until_it_is_no_longer_kept(world: World) -> None:
    user, headers = await world.user()
    generation = await create(world, headers)
    key = artefact_key("user", user, generation, 0, "png")
    small = thumbnail_key(key)
    made = Artefact(
        key=key, content_type="image/png", size=3, sha256="ab" * 32, width=8, height=9, thumbnail=small,
        colours=("#d01010",), tags=("image", "red"),
    )  # fmt: skip
    await world.neighbours.say(success(generation, made))
    await wait_until_status(world, headers, generation, "succeeded")
    (output,) = (await get_view(world, headers, generation))["outputs"]
    told = await world.pool.fetchval("SELECT count(*) FROM generation_events")

    await world.neighbours.say(ArtefactsExpired(generation_id=generation))

    async def has_no_outputs() -> bool:
        return not (await get_view(world, headers, generation))["outputs"]

    await world.until(has_no_outputs)
    assert (f"/{small}?" in output["thumbnail"], output["colours"], output["tags"]) == (
        True, ["#d01010"], ["image", "red"],
    )  # fmt: skip
    expired = await get_view(world, headers, generation)
    assert (expired["status"], expired["error"]["code"]) == ("succeeded", "outputs_expired")
    assert await world.pool.fetchval("SELECT count(*) FROM generation_events") == told


async def test_what_cannot_be_removed_from_the_store_stays_whole(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(_: ObjectStore, key: str) -> None:
        raise StorageUnavailable(f"cannot remove {key}")

    monkeypatch.setattr(ObjectStore, "remove", away)
    user, headers = await world.user()
    generation = await create(world, headers)
    key = artefact_key("user", user, generation, 0, "png")
    made = Artefact(key=key, content_type="image/png", size=3, sha256="ab" * 32, width=8, height=9)
    await world.neighbours.say(success(generation, made))
    await wait_until_status(world, headers, generation, "succeeded")

    refused = await world.client.delete(f"/v1/generations/{generation}", headers=headers)

    assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")
    assert (await get_view(world, headers, generation))["outputs"][0]["key"] == key


async def test_what_its_owner_calls_urgent_is_asked_for_as_urgent(world: World) -> None:
    _, headers = await world.user()

    await create(world, headers, IMAGE | {"priority": "high"})

    asked = world.neighbours.heard[-1].message
    assert isinstance(asked, GenerationRequested)
    assert asked.spec.priority == "high"


async def test_its_place_in_the_queue_is_shown_while_it_waits(world: World) -> None:
    _, headers = await world.user()
    generation = await create(world, headers)
    world.neighbours.records[f"queue/{generation}"] = {"position": 3, "eta_s": 12, "eta_p90_s": 20}

    waiting = await get_view(world, headers, generation)
    await fail(world, headers, generation)
    ended = await get_view(world, headers, generation)

    assert (waiting["queue_position"], waiting["eta_s"], waiting["eta_p90_s"]) == (3, 12, 20)
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
    assert (await get_view(world, mine, generation))["status"] == "failed"

"""Artefacts on record are compared with what a real object store lists, and only what looks wrong is requested."""

from collections.abc import AsyncIterator, Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest

from atelier_render import reconcile_objects
from atelier_render.reconcile_objects import compare_objects
from atelier_storage.keys import artefact_key, input_key, thumbnail_key
from atelier_storage.objects import ObjectInfo, ObjectStore
from atelier_storage.settings import StorageSettings
from atelier_storage.testing import object_store

pytestmark = pytest.mark.stack
RECORD = """
INSERT INTO artefacts (key, generation_id, content_type, size, sha256, created_at)
VALUES ($1, $2, 'image/png', $3, $4, now() - make_interval(hours => $5))
"""


class WatchedStore(ObjectStore):
    """Notes whose heads are requested."""

    heads: list[str]

    async def stat(self, key: str) -> ObjectInfo:
        self.heads.append(key)
        return await super().stat(key)


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StorageSettings]:
    """A real object store with an empty bucket."""
    with object_store("render-store", tmp_path_factory.mktemp("store")) as settings:
        yield settings


@pytest.fixture
async def objects(bucket: StorageSettings) -> AsyncIterator[WatchedStore]:
    store = WatchedStore(bucket)
    store.heads = []
    yield store
    for entry in await store.list_page("", after="", limit=1_000):
        await store.remove(entry.key)
    store.close()


async def deliver(world: Any, objects: ObjectStore, owner: UUID, *, attempt: str = "1", hours_ago: int = 0) -> str:
    """An artefact on record ``hours_ago``, with its thumbnail and the picture that it was made of; returns its key."""
    generation = uuid4()
    key = artefact_key("store", owner, generation, 0, "png", attempt=attempt)
    put = await objects.put(key, generation.bytes, "image/png")
    await objects.put(thumbnail_key(key), b"small", "image/webp")
    await objects.put(input_key("store", owner, generation, put.sha256), b"input", "image/png")
    await world.pool.execute(RECORD, key, generation, put.size, put.sha256, hours_ago)
    return key


def generation_of(key: str) -> UUID:
    return UUID(key.split("/")[3])


async def test_objects_as_recorded_are_not_requested_one_by_one(world: Any, objects: WatchedStore) -> None:
    owners = [uuid4() for _ in range(3)]
    keys = sorted([await deliver(world, objects, owner) for owner in owners for _ in range(4)])

    first = await compare_objects(world.pool, objects, after="", limit=8)
    rest = await compare_objects(world.pool, objects, after=first.bound or "", limit=8)

    assert (first.bound, first.checked, first.wrong) == (keys[7], 8, [])
    assert (rest.bound, rest.checked, rest.wrong) == (None, 4, [])
    assert objects.heads == []


async def test_a_missing_a_cut_and_a_rewritten_object_are_found(world: Any, objects: WatchedStore) -> None:
    owner = uuid4()
    _, missing, cut, rewritten, copied = [await deliver(world, objects, owner, hours_ago=2 * (n > 2)) for n in range(5)]
    await objects.remove(missing)
    await objects.put(cut, b"short", "image/png")
    await objects.put(rewritten, b"sixteen letters!", "image/png")

    page = await compare_objects(world.pool, objects, after="", limit=100)

    assert page.wrong == sorted(map(generation_of, (missing, cut, rewritten)))
    # Two were written long after they were recorded; one of them is right, as after a restored backup.
    assert sorted(objects.heads) == sorted([missing, cut, rewritten, copied])


@pytest.mark.parametrize("together", [1, 2, 100])
@pytest.mark.parametrize("listed_max", [1, 2, 5])
async def test_a_listing_in_many_parts_and_in_the_order_of_folders_gives_no_false_alarm(
    world: Any, objects: WatchedStore, monkeypatch: pytest.MonkeyPatch, listed_max: int, together: int
) -> None:
    monkeypatch.setattr(reconcile_objects, "LISTED_MAX", listed_max)
    monkeypatch.setattr(reconcile_objects, "TOGETHER", together)
    keys = [await deliver(world, objects, uuid4(), attempt=attempt) for attempt in ("1", "1-ab", "2", "10-c")]
    keys += [await deliver(world, objects, owner) for owner in [uuid4()] * 3]
    lost = keys[3]
    await objects.remove(lost)

    page = await compare_objects(world.pool, objects, after="", limit=100)

    assert (page.checked, page.wrong) == (len(keys), [generation_of(lost)])


@pytest.mark.parametrize("listings", [1, 2])
async def test_a_page_ends_after_some_listings_however_little_they_cover(
    world: Any, objects: WatchedStore, monkeypatch: pytest.MonkeyPatch, listings: int
) -> None:
    monkeypatch.setattr(reconcile_objects, "LISTED_MAX", 3)
    monkeypatch.setattr(reconcile_objects, "LISTINGS_MAX", listings)
    keys = sorted([await deliver(world, objects, uuid4()) for _ in range(3)])

    pages = [await compare_objects(world.pool, objects, after="", limit=100)]
    while (bound := pages[-1].bound) is not None:
        pages.append(await compare_objects(world.pool, objects, after=bound, limit=100))

    assert sum(page.checked for page in pages) == len(keys)
    assert len(pages) == -(-len(keys) // listings)
    assert [page.wrong for page in pages] == [[]] * len(pages)


async def test_a_bucket_that_is_gone_has_lost_all(world: Any, objects: WatchedStore, bucket: StorageSettings) -> None:
    keys = [await deliver(world, objects, uuid4()) for _ in range(3)]
    gone = ObjectStore(bucket.model_copy(update={"bucket": "gone"}))

    page = await compare_objects(world.pool, gone, after="", limit=100)

    assert (page.bound, page.checked, page.wrong) == (None, 3, sorted(map(generation_of, keys)))
    gone.close()


async def test_a_store_without_any_of_them_has_lost_all(world: Any, objects: WatchedStore) -> None:
    keys = [await deliver(world, objects, uuid4()) for _ in range(3)]
    for entry in await objects.list_page("", after="", limit=100):
        await objects.remove(entry.key)

    page = await compare_objects(world.pool, objects, after="", limit=3)

    assert (page.bound, page.wrong) == (max(keys), sorted(map(generation_of, keys)))
    end = await compare_objects(world.pool, objects, after=page.bound or "", limit=3)
    assert (end.bound, end.checked, end.wrong) == (None, 0, [])


async def test_a_lost_bucket_is_found_in_small_pages(
    world: Any, objects: WatchedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconcile_objects, "WRONG_MAX", 2)
    right, *lost = sorted([await deliver(world, objects, uuid4()) for _ in range(6)])
    for key in lost:
        await objects.remove(key)

    pages = [await compare_objects(world.pool, objects, after="", limit=100)]
    while (bound := pages[-1].bound) is not None:
        pages.append(await compare_objects(world.pool, objects, after=bound, limit=100))

    assert [page.checked for page in pages] == [3, 2, 1]
    assert [id_ for page in pages for id_ in page.wrong] == [
        id_ for part in (lost[:2], lost[2:4], lost[4:]) for id_ in sorted(map(generation_of, part))
    ]
    assert right not in objects.heads and len(objects.heads) == 5

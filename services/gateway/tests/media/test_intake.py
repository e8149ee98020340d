"""Pictures on their way in, with a real store, a real Postgres and real image children."""

import asyncio
import hashlib
import io
from collections.abc import AsyncIterator, Callable
from uuid import UUID, uuid4

import httpx
import pytest
from PIL import Image

from atelier_contracts import Artefact, GenerationSucceeded, Owner
from atelier_gateway.identity.authenticator import Principal
from atelier_gateway.media import store as media_store
from atelier_gateway.media.fair_turns import FairTurns
from atelier_gateway.media.input_references import InputResolver, RequestedInput
from atelier_gateway.media.intake import ImageRefused, MediaIntake, StoredPicture
from atelier_gateway.media.store import FileUse
from atelier_gateway.web.problems import Problem
from atelier_imaging import ImageWorkers
from atelier_storage.errors import ObjectMissing
from atelier_storage.keys import artefact_key, upload_key
from atelier_storage.objects import ObjectStore
from atelier_storage.settings import StorageSettings

from ..support.world import World

pytestmark = pytest.mark.stack
ANN = Principal(Owner(kind="user", id=uuid4()), "b2c")
BOB = Principal(Owner(kind="user", id=uuid4()), "b2c")


def image_bytes(format_: str = "PNG", size: tuple[int, int] = (8, 9)) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, (1, 2, 3)).save(out, format_)
    return out.getvalue()


@pytest.fixture(scope="session")
async def objects(storage_settings: StorageSettings) -> AsyncIterator[ObjectStore]:
    store = ObjectStore(storage_settings)
    yield store
    store.close()


@pytest.fixture
async def intake(world: World, objects: ObjectStore) -> AsyncIterator[MediaIntake]:
    taking = MediaIntake(world.pool, objects, ImageWorkers(workers=1), FairTurns(at_once=1, per_owner=1))
    yield taking
    await taking.close()


async def upload(objects: ObjectStore, data: bytes, owner: Owner = ANN.owner) -> str:
    """As a client does it: with a presigned URL, past the gateway, under a type it claims."""
    key = upload_key(owner.kind, owner.id, uuid4(), "Me & my coat.png")
    put = objects.presign_put(key, "image/png", 60)
    async with httpx.AsyncClient() as client:
        (await client.put(put.url, content=data, headers=put.headers)).raise_for_status()
    return key


async def test_a_picture_in_a_request_is_stored_under_its_owner_with_its_true_measures(
    world: World, intake: MediaIntake, objects: ObjectStore
) -> None:
    data = image_bytes("JPEG", (30, 20))

    picture = await intake.store_picture(ANN, data, role="product", filename="../shoe .PNG")

    assert isinstance(picture, StoredPicture)
    assert picture.key.startswith(f"users/{ANN.owner.id}/inputs/") and picture.key.endswith(f"/{picture.sha256}")
    assert (picture.content_type, picture.width, picture.height) == ("image/jpeg", 30, 20)
    assert (picture.size, picture.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    assert await objects.get(picture.key, 10_000) == data
    (row,) = await world.pool.fetch("SELECT * FROM files")
    assert (row["category"], row["format"], row["filename"]) == ("product_image", "jpeg", "shoe.PNG")
    assert (row["owner_kind"], row["owner_id"], row["size_bytes"]) == ("user", ANN.owner.id, len(data))


@pytest.mark.parametrize(
    "data", [b"", b"GIF89a", b"<svg/>", image_bytes(size=(200, 200))[:200]], ids=["empty", "gif", "svg", "truncated"]
)
async def test_what_is_no_picture_leaves_neither_row_nor_object(world: World, intake: MediaIntake, data: bytes) -> None:
    refused = await intake.store_picture(ANN, data, role="image", filename="a.png")

    assert isinstance(refused, ImageRefused) and refused.message.endswith(".")
    assert await world.pool.fetchval("SELECT count(*) FROM files") == 0


async def test_an_upload_gets_its_row_when_it_is_first_used_and_only_then_is_it_read(
    world: World, intake: MediaIntake, objects: ObjectStore
) -> None:
    key = await upload(objects, image_bytes("WEBP"))
    assert await world.pool.fetchval("SELECT count(*) FROM files") == 0

    references = await InputResolver(objects, intake).resolve(ANN.owner, [RequestedInput("a", "garment", key)])

    assert (
        references[0].key not in (None, key) and references[0].sha256 == hashlib.sha256(image_bytes("WEBP")).hexdigest()
    )
    (row,) = await world.pool.fetch("SELECT * FROM files")
    assert (row["category"], row["content_type"], row["filename"]) == ("garment", "image/webp", "Me-my-coat.png")
    assert (row["key"], row["upload_key"]) == (references[0].key, key)
    await objects.remove(key)
    assert await InputResolver(objects, intake).resolve(ANN.owner, [RequestedInput("a", "garment", key)]) == references


async def test_a_picture_replaced_after_its_first_use_is_not_what_is_made_of(
    world: World, intake: MediaIntake, objects: ObjectStore
) -> None:
    first, second = image_bytes(size=(8, 9)), image_bytes(size=(30, 20))
    key = await upload(objects, first)
    (before,) = await InputResolver(objects, intake).resolve(ANN.owner, [RequestedInput("a", "image", key)])

    await objects.put(key, second, "image/png")
    (after,) = await InputResolver(objects, intake).resolve(
        ANN.owner, [RequestedInput("a", "image", objects.presign_get(key, 60))]
    )

    assert after == before and before.key is not None
    assert await objects.get(before.key, 10_000) == first
    assert await world.pool.fetchval("SELECT width FROM files") == 8


async def test_an_upload_used_twice_at_once_is_stored_once(
    world: World, intake: MediaIntake, objects: ObjectStore
) -> None:
    key = await upload(objects, image_bytes())
    inputs = InputResolver(objects, intake)

    found = await asyncio.gather(*(inputs.resolve(ANN.owner, [RequestedInput("a", "image", key)]) for _ in range(4)))

    assert len(set(found)) == 1
    stored = [stored.key for stored in await objects.list_page(f"users/{ANN.owner.id}/inputs/", after="", limit=1000)]
    assert [row["key"] for row in await world.pool.fetch("SELECT key FROM files")] == [found[0][0].key]
    assert len([key for key in stored if key == found[0][0].key]) == 1


async def test_an_upload_that_is_no_picture_is_refused_with_the_field(
    intake: MediaIntake, objects: ObjectStore
) -> None:
    key = await upload(objects, b"<html>")

    with pytest.raises(Problem) as refused:
        await InputResolver(objects, intake).resolve(ANN.owner, [RequestedInput("image_urls.3", "garment", key)])

    assert (refused.value.status, refused.value.details["errors"][0]["field"]) == (400, "image_urls.3")


async def test_unknown_and_foreign_keys_are_refused_in_the_same_words(
    intake: MediaIntake, objects: ObjectStore
) -> None:
    foreign = await upload(objects, image_bytes(), BOB.owner)
    unknown = upload_key("user", ANN.owner.id, uuid4(), "a.png")
    said = set()

    for text in (foreign, objects.presign_get(foreign, 60), unknown, objects.presign_get(unknown, 60), "nonsense"):
        with pytest.raises(Problem) as refused:
            await InputResolver(objects, intake).resolve(ANN.owner, [RequestedInput("image", "image", text)])
        said.add((refused.value.status, str(refused.value)))

    assert said == {(400, "invalid_request: image: There is no such upload.")}


async def test_known_tells_a_picture_of_the_owner_by_key_and_by_url_and_nothing_else(
    intake: MediaIntake, objects: ObjectStore
) -> None:
    key, page = await upload(objects, image_bytes()), await upload(objects, b"<html>")

    known = [await intake.find_picture(ANN, text) for text in (key, objects.presign_get(key, 60))]
    unknown = [
        await intake.find_picture(BOB, key),
        await intake.find_picture(ANN, page),
        await intake.find_picture(ANN, upload_key("user", ANN.owner.id, uuid4(), "a.png")),
        await intake.find_picture(ANN, "https://cdn.shop-pictures.net/a.png"),
        await intake.find_picture(ANN, "../../etc/passwd"),
    ]

    assert known[0] is not None and known[0] == known[1] and known[0].key.startswith(f"users/{ANN.owner.id}/inputs/")
    assert unknown == [None] * 5


async def test_a_discarded_picture_is_gone(world: World, intake: MediaIntake, objects: ObjectStore) -> None:
    picture = await intake.store_picture(ANN, image_bytes(), role="photo", filename="photo.png")
    assert isinstance(picture, StoredPicture)

    await intake.discard(ANN, picture)

    assert await world.pool.fetchval("SELECT count(*) FROM files") == 0
    with pytest.raises(ObjectMissing):
        await objects.stat(picture.key)


async def _succeed(world: World, store: UUID, generation: UUID, results: int) -> list[str]:
    keys = [artefact_key("store", store, generation, i, "png") for i in range(results)]
    made = tuple(
        Artefact(key=key, content_type="image/png", size=3 + i, sha256="ab" * 32, width=8, height=9)
        for i, key in enumerate(keys)
    )
    await world.neighbours.say(
        GenerationSucceeded(
            generation_id=generation, outputs=made, delivered=results, captured=1, refunded=0, provider="local"
        )
    )
    return keys


async def test_results_get_their_rows_when_the_generation_ends(world: World) -> None:
    """002.8 result images too."""
    store, headers = await world.store()
    generation = UUID((await world.create(headers)).json()["data"]["session_id"])

    keys = await _succeed(world, store, generation, 2)
    await world.until(_has_files(world, 2))

    rows = await world.pool.fetch("SELECT * FROM files ORDER BY image_order")
    assert [row["key"] for row in rows] == keys
    assert {(row["category"], row["generation_id"], row["owner_id"]) for row in rows} == {("result", generation, store)}
    assert [(row["is_primary"], row["size_bytes"], row["filename"]) for row in rows] == [
        (True, 3, "0.png"),
        (False, 4, "1.png"),
    ]


def _has_files(world: World, count: int) -> Callable[[], "asyncio.Future[bool]"]:
    async def has_files() -> bool:
        return bool(await world.pool.fetchval("SELECT count(*) = $1 FROM files", count))

    return lambda: asyncio.ensure_future(has_files())


async def test_inputs_are_linked_with_the_measures_of_their_uploads(
    world: World, intake: MediaIntake, objects: ObjectStore
) -> None:
    """002.8 file rows with order, primary picture, generation link."""
    store, headers = await world.store()
    owner = Owner(kind="store", id=store)
    key = await upload(objects, image_bytes("PNG", (5, 6)), owner)
    generation = UUID((await world.create(headers, image_urls=[key, key])).json()["data"]["session_id"])
    linked = await world.pool.fetch("SELECT key, width FROM files WHERE generation_id = $1", generation)
    key = linked[0]["key"]
    assert [(row["key"], row["width"]) for row in linked] == [(key, 5), (key, 5)]
    await world.pool.execute("DELETE FROM files WHERE generation_id = $1", generation)
    url = "https://res.cloudinary.com/demo/image/upload/coat.png"

    uses = [
        FileUse("product_image", "x", key=key, is_primary=True),
        FileUse("model_image", "coat.png", url=url),
        FileUse("model_image", "y", key=upload_key("store", uuid4(), uuid4(), "foreign.png"), image_order=1),
    ]
    async with world.pool.acquire() as connection, connection.transaction():
        await media_store.link(connection, [(owner, generation, use) for use in uses])

    rows = await world.pool.fetch("SELECT * FROM files WHERE generation_id = $1 ORDER BY category DESC", generation)
    assert [(row["key"], row["width"], row["is_primary"]) for row in rows] == [(key, 5, True), (None, None, False)]
    assert (rows[1]["original_url"], rows[1]["size_bytes"]) == (url, None)
    await world.pool.execute("DELETE FROM generations WHERE id = $1", generation)
    assert await world.pool.fetchval("SELECT count(*) FROM files") == 1

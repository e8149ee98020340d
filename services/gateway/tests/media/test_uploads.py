"""Uploads: exactly as many bytes as were said, only so many, for a day; listed, and deleted at their owner's wish."""

import asyncio
from uuid import uuid4

import pytest

from atelier_gateway.media.input_references import INPUT_BYTES_MAX
from atelier_gateway.media.narration_fields import TEXT_BYTES_MAX
from atelier_gateway.media.upload_rules import UploadRules
from atelier_gateway.media.uploads import Uploads
from atelier_storage.errors import StorageUnavailable
from atelier_storage.objects import ObjectStore
from atelier_storage.settings import StorageSettings
from atelier_storage.upload_identity import UploadIdentity

from ..support.native import IMAGE
from ..support.uploads import (
    DAY_S,
    LAPSED_S,
    age,
    get_upload,
    image_bytes,
    is_there,
    narration,
    offer,
    put,
    upload_image,
    upload_text,
    use_upload,
)
from ..support.world import World

pytestmark = pytest.mark.stack


async def test_the_native_surface_takes_no_upload_without_its_size(world: World) -> None:
    """Settled 19: required natively, optional on 000.8."""
    _, headers = await world.store()
    body = {"filename": "me.png", "content_type": "image/png"}

    native = await world.client.post("/v1/uploads", headers=headers, json=body)
    seeds = await world.client.post("/api/v1/uploads", headers=headers, json=body)

    assert (native.status_code, native.json()["errors"][0]["field"]) == (400, "size_bytes")
    assert seeds.status_code == 201


async def test_a_url_takes_exactly_the_bytes_it_was_signed_for(world: World) -> None:
    _, headers = await world.store()
    upload = (await offer(world, headers, size_bytes=3)).json()

    assert await put(upload, b"abc") == 200
    assert await put(upload, b"abcd", **{"Content-Length": "4"}) == 403


@pytest.mark.parametrize(("kind", "most"), [("image/png", INPUT_BYTES_MAX), ("text/plain", TEXT_BYTES_MAX)])
async def test_more_bytes_than_the_type_may_have_are_refused_at_once(world: World, kind: str, most: int) -> None:
    _, headers = await world.store()

    refused = await offer(world, headers, content_type=kind, size_bytes=most + 1)

    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (400, "size_bytes")
    assert (await offer(world, headers, content_type=kind, size_bytes=most)).status_code == 201


async def test_an_owners_uploads_are_listed_newest_first_page_after_page(world: World) -> None:
    _, headers = await world.store()
    _, stranger = await world.store()
    made = [(await offer(world, headers)).json()["id"] for _ in range(3)]
    await offer(world, stranger)

    first = (await world.client.get("/v1/uploads?limit=2", headers=headers)).json()
    rest = (await world.client.get(f"/v1/uploads?limit=2&cursor={first['next_cursor']}", headers=headers)).json()

    assert [upload["id"] for upload in first["data"] + rest["data"]] == made[::-1]
    assert rest["next_cursor"] is None
    assert {name: first["data"][0][name] for name in ("filename", "content_type", "size_bytes", "used")} == {
        "filename": "me.png", "content_type": "image/png", "size_bytes": 10, "used": False,
    }  # fmt: skip


async def test_a_deleted_upload_is_gone_with_its_bytes(world: World) -> None:
    _, headers = await world.store()
    upload = await upload_image(world, headers, image_bytes())

    deleted = await world.client.delete(f"/v1/uploads/{upload['id']}", headers=headers)

    assert (deleted.status_code, deleted.content) == (204, b"")
    assert not await is_there(world, upload["key"])
    assert (await get_upload(world, headers, upload)).status_code == 404
    assert (await world.client.delete(f"/v1/uploads/{upload['id']}", headers=headers)).status_code == 404
    assert (await world.client.get("/v1/uploads", headers=headers)).json()["data"] == []
    refused = await world.client.post(
        "/v1/generations", headers=headers, json=IMAGE | {"inputs": [{"role": "image", "key": upload["key"]}]}
    )
    assert (refused.status_code, refused.json()["detail"]) == (400, "inputs.0.key: There is no such upload.")


async def test_a_generation_keeps_what_it_was_made_of_when_its_upload_is_deleted(world: World) -> None:
    _, headers = await world.store()
    upload = await upload_image(world, headers, image_bytes())
    generation = await use_upload(world, headers, upload)
    key = await world.pool.fetchval("SELECT key FROM files WHERE generation_id = $1", generation)
    assert (await get_upload(world, headers, upload)).json()["used"] is True

    assert (await world.client.delete(f"/v1/uploads/{upload['id']}", headers=headers)).status_code == 204

    assert (await is_there(world, key), await is_there(world, upload["key"])) == (True, False)


async def test_what_is_deleted_while_the_store_is_away_is_no_upload_any_more_and_goes_with_the_sweep(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, headers = await world.store()
    upload = await upload_text(world, headers)
    body = narration(upload)
    assert (await world.client.post("/v1/quotes", headers=headers, json=body)).status_code == 200
    stored = await world.pool.fetchval("SELECT key FROM files")

    async def away(_: ObjectStore, key: str) -> None:
        raise StorageUnavailable(f"cannot remove {key}")

    with monkeypatch.context() as patch:
        patch.setattr(ObjectStore, "remove", away)
        deleted = await world.client.delete(f"/v1/uploads/{upload['id']}", headers=headers)
    refused = await world.client.post("/v1/generations", headers=headers, json=body)

    assert deleted.status_code == 204
    assert (await get_upload(world, headers, upload)).status_code == 404
    assert (refused.status_code, refused.json()["detail"]) == (400, "inputs.0.key: There is no such upload.")
    assert (await is_there(world, stored), await is_there(world, upload["key"])) == (True, True)
    await world.container.uploads.sweep()
    assert (await is_there(world, stored), await is_there(world, upload["key"])) == (False, False)
    assert await world.pool.fetchval("SELECT count(*) FROM doomed_uploads") == 0


async def test_what_nobody_used_in_a_day_goes_and_what_is_used_stays(world: World) -> None:
    _, headers = await world.store()
    unused, kept = await upload_image(world, headers, image_bytes()), await upload_image(world, headers, image_bytes())
    generation = await use_upload(world, headers, kept)
    key = await world.pool.fetchval("SELECT key FROM files WHERE generation_id = $1", generation)

    await age(world, DAY_S - 60)
    await world.container.uploads.sweep()
    assert await is_there(world, unused["key"])
    await age(world, 120)
    await world.container.uploads.sweep()

    assert (await is_there(world, unused["key"]), await is_there(world, key)) == (False, True)
    assert (await get_upload(world, headers, unused)).status_code == 404
    assert (await get_upload(world, headers, kept)).json()["expires_at"] is None


async def test_what_was_stored_for_a_quote_alone_goes_with_its_upload(world: World) -> None:
    _, headers = await world.store()
    upload = await upload_text(world, headers)
    body = narration(upload)
    assert (await world.client.post("/v1/quotes", headers=headers, json=body)).status_code == 200
    key = await world.pool.fetchval("SELECT key FROM files")

    await age(world, DAY_S + 60)
    await world.container.uploads.sweep()

    assert (await is_there(world, key), await is_there(world, upload["key"])) == (False, False)
    assert await world.pool.fetchval("SELECT count(*) FROM files") == 0


async def test_bytes_put_to_a_deleted_upload_do_not_stay(world: World) -> None:
    _, headers = await world.store()
    upload = await upload_image(world, headers, image_bytes())
    await world.client.delete(f"/v1/uploads/{upload['id']}", headers=headers)
    assert await put(upload, image_bytes()) == 200

    await age(world, LAPSED_S)
    await world.container.uploads.sweep()

    assert not await is_there(world, upload["key"])
    assert await world.pool.fetchval("SELECT count(*) FROM uploads") == 0


async def test_an_upload_without_a_size_is_measured_when_its_url_has_lapsed(world: World) -> None:
    _, headers = await world.store()
    body = {"filename": "a.txt", "content_type": "text/plain"}
    small, large, never = [
        (await world.client.post("/api/v1/uploads", headers=headers, json=body)).json()["data"] for _ in range(3)
    ]
    assert (await put(small, b"Hi"), await put(large, b"x" * (TEXT_BYTES_MAX + 1))) == (200, 200)

    await age(world, LAPSED_S)
    await world.container.uploads.sweep()

    sizes = {row["key"]: row["size_bytes"] for row in await world.pool.fetch("SELECT key, size_bytes FROM uploads")}
    assert sizes == {small["key"]: 2, never["key"]: 0}
    assert not await is_there(world, large["key"])


async def test_what_is_too_large_to_be_used_is_removed_when_it_is_tried(world: World) -> None:
    _, headers = await world.store()
    body = {"filename": "a.txt", "content_type": "text/plain"}
    large = (await world.client.post("/api/v1/uploads", headers=headers, json=body)).json()["data"]
    assert await put(large, b"x" * (TEXT_BYTES_MAX + 1)) == 200

    quote = {"kind": "narration", "inputs": [{"role": "text", "key": large["key"]}]}
    refused = await world.client.post("/v1/quotes", headers=headers, json=quote)

    assert refused.status_code == 400
    assert not await is_there(world, large["key"])


async def test_an_owner_has_only_so_many_unused_uploads_and_bytes_at_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, headers = await world.store()
    _, another = await world.store()
    rules = UploadRules(unused_max=3, unused_bytes_max=100, unused_life_s=DAY_S)
    monkeypatch.setattr(world.container.uploads, "_rules", rules)

    replies = await asyncio.gather(*(offer(world, headers, size_bytes=10) for _ in range(6)))

    assert sorted(reply.status_code for reply in replies) == [201] * 3 + [429] * 3
    refused = next(reply for reply in replies if reply.status_code == 429)
    assert (refused.json()["code"], refused.headers["Retry-After"]) == ("uploads_full", "60")
    assert (await offer(world, another, size_bytes=101)).status_code == 429
    assert (await offer(world, another, size_bytes=100)).status_code == 201


async def test_a_gateway_whose_upload_identity_may_read_refuses_to_start(
    world: World, storage_settings: StorageSettings
) -> None:
    own = {"upload_access_key": storage_settings.access_key, "upload_secret_key": storage_settings.secret_key}
    identity = UploadIdentity(storage_settings.model_copy(update=own))
    rules = UploadRules(unused_max=1, unused_bytes_max=1, unused_life_s=1)

    with pytest.raises(Exception, match="must not be able to read an upload"):
        await Uploads(world.container.bus.unit, world.container.objects, identity, rules).prove_at_start()


async def test_an_unknown_upload_is_404(world: World) -> None:
    _, headers = await world.store()

    for path in (f"/v1/uploads/{uuid4()}", "/v1/uploads/nonsense"):
        assert (await world.client.get(path, headers=headers)).status_code == 404

"""The identity that signs uploads: it can put them, and nothing else."""

import io
from collections.abc import Callable
from uuid import uuid4

import pytest
from minio import Minio
from minio.error import S3Error

from atelier_storage.client import http_pool, minio_client
from atelier_storage.errors import StorageUnavailable, UploadIdentityUnfit
from atelier_storage.keys import artefact_key, input_key, upload_key
from atelier_storage.objects import ObjectStore
from atelier_storage.settings import StorageSettings
from atelier_storage.upload_identity import UploadIdentity

pytestmark = pytest.mark.stack


@pytest.fixture
def upload_client(s3_settings: StorageSettings) -> Minio:
    keys = {"access_key": s3_settings.upload_access_key, "secret_key": s3_settings.upload_secret_key}
    return minio_client(s3_settings.model_copy(update=keys), http_pool(s3_settings))


@pytest.mark.parametrize("kind", ["store", "user", "workspace"])
async def test_it_puts_an_upload_of_every_kind_of_owner(store: ObjectStore, upload_client: Minio, kind: str) -> None:
    key = upload_key(kind, uuid4(), uuid4(), "me.png")

    upload_client.put_object("pictures", key, io.BytesIO(b"x"), 1)

    assert await store.get(key, 10) == b"x"


@pytest.mark.parametrize(
    "act",
    [
        lambda client, upload, _: client.get_object("pictures", upload),
        lambda client, _, result: client.get_object("pictures", result),
        lambda client, upload, _: client.stat_object("pictures", upload),
        lambda client, *_: list(client.list_objects("pictures")),
        lambda client, upload, _: client.remove_object("pictures", upload),
        lambda client, _, result: client.put_object("pictures", result, io.BytesIO(b"x"), 1),
        lambda client, *_: client.put_object(
            "pictures", input_key("store", uuid4(), uuid4(), "ab" * 32), io.BytesIO(b"x"), 1
        ),
    ],
    ids=["get an upload", "get a result", "stat", "list", "remove", "put a result", "put an input"],
)
async def test_it_can_do_nothing_else(
    store: ObjectStore, upload_client: Minio, act: Callable[[Minio, str, str], object]
) -> None:
    owner = uuid4()
    upload, result = upload_key("store", owner, uuid4(), "me.png"), artefact_key("store", owner, uuid4(), 0, "png")
    for key in (upload, result):
        await store.put(key, b"theirs", "image/png")

    with pytest.raises(S3Error, match="AccessDenied"):
        act(upload_client, upload, result)

    assert [await store.get(key, 10) for key in (upload, result)] == [b"theirs"] * 2


async def test_upload_urls_are_signed_by_it_and_download_urls_are_not(
    store: ObjectStore, s3_settings: StorageSettings
) -> None:
    key = upload_key("store", uuid4(), uuid4(), "me.png")

    assert f"X-Amz-Credential={s3_settings.upload_access_key}%2F" in store.presign_put(key, "image/png", 60).url
    assert f"X-Amz-Credential={s3_settings.access_key}%2F" in store.presign_get(key, 60)


async def test_an_identity_that_can_only_put_is_fit_and_the_check_leaves_nothing(
    store: ObjectStore, s3_settings: StorageSettings
) -> None:
    before = await store.list_page("stores/", after="", limit=1000)

    await UploadIdentity(s3_settings).verify()

    assert await store.list_page("stores/", after="", limit=1000) == before


async def test_an_identity_that_may_read_is_refused(store: ObjectStore, s3_settings: StorageSettings) -> None:
    root = s3_settings.model_copy(
        update={"upload_access_key": s3_settings.access_key, "upload_secret_key": s3_settings.secret_key}
    )

    with pytest.raises(UploadIdentityUnfit, match="read an upload, read a result, list the bucket"):
        await UploadIdentity(root).verify()


@pytest.mark.parametrize("key", [None, "nobody"])
async def test_without_an_identity_that_the_store_knows_nothing_is_proven(
    store: ObjectStore, s3_settings: StorageSettings, key: str | None
) -> None:
    with pytest.raises(UploadIdentityUnfit):
        await UploadIdentity(s3_settings.model_copy(update={"upload_access_key": key})).verify()


async def test_a_store_that_is_away_says_nothing_about_the_identity(s3_settings: StorageSettings) -> None:
    away = StorageSettings.model_validate(s3_settings.model_dump() | {"endpoint": "http://127.0.0.1:1"})

    with pytest.raises(StorageUnavailable):
        await UploadIdentity(away).verify()


def test_without_an_identity_for_them_no_upload_is_signed(s3_settings: StorageSettings) -> None:
    bare = s3_settings.model_copy(update={"upload_access_key": None, "upload_secret_key": None})

    with pytest.raises(UploadIdentityUnfit, match="ATELIER_S3_UPLOAD_ACCESS_KEY"):
        ObjectStore(bare).presign_put(upload_key("store", uuid4(), uuid4(), "me.png"), "image/png", 60)

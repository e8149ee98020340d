"""The object store against a real S3 server: what is stored comes back, what is wrong is said by its right name."""

import asyncio
import gzip
import hashlib
import urllib.error
import urllib.request
from collections.abc import Mapping
from threading import enumerate as enumerate_threads
from uuid import UUID, uuid4

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pydantic import SecretStr

from atelier_storage.errors import ObjectCorrupt, ObjectMissing, ObjectTooLarge, StorageUnavailable
from atelier_storage.keys import artefact_key, upload_key
from atelier_storage.objects import ObjectStore, StoredObject
from atelier_storage.settings import StorageSettings

from .conftest import free_port

OWNER = UUID("01990000-0000-7000-8000-000000000001")
PICTURE = bytes(range(256)) * 40


def new_key() -> str:
    return artefact_key("store", OWNER, uuid4(), 0, "png")


async def http(method: str, url: str, body: bytes | None = None, headers: Mapping[str, str] | None = None) -> int:
    status, _, _ = await exchange(method, url, body, headers)
    return status


async def exchange(
    method: str, url: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
) -> tuple[int, Mapping[str, str], bytes]:
    def send() -> tuple[int, Mapping[str, str], bytes]:
        request = urllib.request.Request(url, data=body, headers=dict(headers or {}), method=method)
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                return answer.status, dict(answer.headers), answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, dict(error.headers), error.read()

    return await asyncio.to_thread(send)


async def test_what_is_put_comes_back_with_its_checksum(store: ObjectStore) -> None:
    key = new_key()

    stored = await store.put(key, PICTURE, "image/png", {"made-by": "test"})

    assert stored == StoredObject(key, len(PICTURE), hashlib.sha256(PICTURE).hexdigest(), "image/png")
    assert await store.get(key, max_bytes=len(PICTURE)) == PICTURE
    info = await store.stat(key)
    assert (info.size, info.sha256, info.content_type) == (stored.size, stored.sha256, "image/png")


async def test_a_copy_keeps_the_checksum_and_outlives_its_source(store: ObjectStore) -> None:
    source, copy = new_key(), new_key()
    await store.put(source, PICTURE, "image/png")

    await store.copy(source, copy)
    await store.remove(source)

    assert await store.get(copy, max_bytes=len(PICTURE)) == PICTURE
    info = await store.stat(copy)
    assert (info.sha256, info.content_type) == (hashlib.sha256(PICTURE).hexdigest(), "image/png")
    with pytest.raises(ObjectMissing):
        await store.copy(source, new_key())


async def test_a_folder_is_listed_in_pages_in_the_order_of_its_keys(store: ObjectStore) -> None:
    owner = uuid4()
    keys = sorted(artefact_key("user", owner, uuid4(), 0, "png") for _ in range(3))
    for key in keys:
        await store.put(key, b"x", "image/png")

    first = await store.list_page(f"users/{owner}/", after="", limit=2)
    rest = await store.list_page(f"users/{owner}/", after=first[-1].key, limit=2)

    assert [listed.key for listed in (*first, *rest)] == keys
    assert all(listed.modified_at.tzinfo is not None for listed in first)


async def test_an_object_past_one_multipart_size_is_still_one_put(store: ObjectStore) -> None:
    key, data = new_key(), b"\x07" * (6 * 1024 * 1024)

    await store.put(key, data, "image/png")

    assert await store.get(key, max_bytes=len(data)) == data


async def test_a_removed_object_is_missing_and_removing_it_again_is_fine(store: ObjectStore) -> None:
    key = new_key()
    await store.put(key, PICTURE, "image/png")

    await store.remove(key)
    await store.remove(key)

    with pytest.raises(ObjectMissing):
        await store.get(key, max_bytes=1)
    with pytest.raises(ObjectMissing):
        await store.stat(key)


async def test_an_object_larger_than_allowed_is_not_read(store: ObjectStore) -> None:
    key = new_key()
    await store.put(key, PICTURE, "image/png")

    with pytest.raises(ObjectTooLarge):
        await store.get(key, max_bytes=len(PICTURE) - 1)


async def test_bytes_that_do_not_match_their_checksum_are_corrupt(
    store: ObjectStore, s3_settings: StorageSettings
) -> None:
    key = new_key()
    await store.put(key, PICTURE, "image/png")
    lied = store.presign_put(key, "image/png", 60)
    claim = {"x-amz-meta-sha256": "0" * 64}
    signed = store._presign("PUT", key, 60, headers=claim)

    assert await http("PUT", signed, PICTURE, {**lied.headers, **claim}) == 200

    with pytest.raises(ObjectCorrupt):
        await store.get(key, max_bytes=len(PICTURE))


async def test_a_client_uploads_and_downloads_by_presigned_urls(store: ObjectStore) -> None:
    key = upload_key("store", OWNER, uuid4(), "me.png")
    upload = store.presign_put(key, "image/png", 900, size=len(PICTURE))

    assert await http(upload.method, upload.url, PICTURE, upload.headers) == 200

    assert await store.get(key, max_bytes=len(PICTURE)) == PICTURE
    status, headers, body = await exchange("GET", store.presign_get(key, 900))
    assert (status, body) == (200, PICTURE)
    assert headers["Content-Disposition"] == 'attachment; filename="me.png"'


async def test_an_upload_url_is_good_for_one_type_one_size_one_key_and_one_method(
    store: ObjectStore, s3_settings: StorageSettings
) -> None:
    key = upload_key("store", OWNER, uuid4(), "me.png")
    upload = store.presign_put(key, "image/png", 60, size=len(PICTURE))

    other_key = upload.url.replace("me.png", "you.png")
    forger = ObjectStore(s3_settings.model_copy(update={"upload_secret_key": SecretStr("guessed")}))
    refused = [
        await http("PUT", upload.url, PICTURE, {**upload.headers, "Content-Type": "text/html"}),
        await http("PUT", upload.url, PICTURE + b"!", {"Content-Type": "image/png"}),
        await http("PUT", other_key, PICTURE, upload.headers),
        await http("GET", upload.url),
        await http("DELETE", upload.url),
        await http("PUT", forger.presign_put(key, "image/png", 60).url, PICTURE, {"Content-Type": "image/png"}),
    ]

    assert refused == [403] * 6
    with pytest.raises(ObjectMissing):
        await store.stat(key)


@pytest.mark.parametrize("expires_s", [0, -1, 901, 604800])
def test_a_presigned_url_lives_fifteen_minutes_at_most(s3_settings: StorageSettings, expires_s: int) -> None:
    with pytest.raises(ValueError, match="1 to 900"):
        ObjectStore(s3_settings).presign_get(new_key(), expires_s)


async def test_an_upload_that_claims_to_be_gzip_does_not_unfold_in_our_memory(store: ObjectStore) -> None:
    key = upload_key("store", OWNER, uuid4(), "bomb.png")
    bomb = gzip.compress(bytes(4 * 1024 * 1024))
    upload = store.presign_put(key, "image/png", 60)

    assert await http("PUT", upload.url, bomb, {**upload.headers, "Content-Encoding": "gzip"}) == 200

    assert await store.get(key, max_bytes=64 * 1024) == bomb


@pytest.mark.parametrize("key", ["", "../x", "stores/x", "/etc/passwd"])
async def test_a_key_not_made_by_us_reaches_no_store(store: ObjectStore, key: str) -> None:
    with pytest.raises(ValueError, match="not a key made by"):
        await store.put(key, b"x", "image/png")
    with pytest.raises(ValueError, match="not a key made by"):
        await store.get(key, max_bytes=1)
    with pytest.raises(ValueError, match="not a key made by"):
        store.presign_put(key, "image/png", 60)


async def test_presigning_asks_nobody() -> None:
    settings = StorageSettings(
        endpoint="http://s3.invalid:9", access_key="a", secret_key=SecretStr("b"), bucket="pictures"
    )
    key = new_key()

    url = ObjectStore(settings).presign_get(key, 60)

    assert url.startswith(f"http://s3.invalid:9/pictures/{key}?")


async def test_readiness_tells_whether_the_bucket_answers(store: ObjectStore, s3_settings: StorageSettings) -> None:
    no_bucket = ObjectStore(s3_settings.model_copy(update={"bucket": "elsewhere"}))

    assert await store.ready()

    assert not await no_bucket.ready()
    assert not await store_at(free_port()).ready()


async def test_wrong_credentials_make_the_store_unavailable(s3_settings: StorageSettings) -> None:
    stranger = ObjectStore(s3_settings.model_copy(update={"access_key": "stranger"}))

    with pytest.raises(StorageUnavailable, match="InvalidAccessKeyId"):
        await stranger.put(new_key(), PICTURE, "image/png")


async def test_a_store_that_is_down_is_unavailable() -> None:
    with pytest.raises(StorageUnavailable):
        await store_at(free_port()).put(new_key(), PICTURE, "image/png")


async def test_a_frozen_store_is_given_up_in_time_and_keeps_no_more_threads_than_allowed(silent_port: int) -> None:
    store = store_at(silent_port, timeout_s=0.4, threads=2)
    before = set(enumerate_threads())

    outcomes = await asyncio.gather(
        *(store.put(new_key(), PICTURE, "image/png") for _ in range(6)), return_exceptions=True
    )

    assert all(isinstance(outcome, StorageUnavailable) for outcome in outcomes), outcomes
    assert len(set(enumerate_threads()) - before) == 2


async def test_a_caller_that_gives_up_leaves_the_thread_counted(store: ObjectStore, silent_port: int) -> None:
    frozen = store_at(silent_port, timeout_s=0.5, threads=1)
    waiting = asyncio.create_task(frozen.stat(new_key()))
    await asyncio.sleep(0.1)

    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting

    assert frozen._threads.is_exhausted


async def test_each_operation_is_one_span_with_key_and_size(store: ObjectStore, spans: InMemorySpanExporter) -> None:
    key = new_key()

    with trace.get_tracer(__name__).start_as_current_span("a request") as request:
        await store.put(key, PICTURE, "image/png")
        await store.get(key, max_bytes=len(PICTURE))
        await store.stat(key)
        await store.remove(key)

    trace_id = request.get_span_context().trace_id
    traced = [span for span in spans.get_finished_spans() if span.context and span.context.trace_id == trace_id]
    told = [(span.name, dict(span.attributes or {})) for span in traced][:-1]
    sized = {"atelier.storage.key": key, "atelier.storage.size": len(PICTURE)}
    assert told == [
        ("storage put", sized),
        ("storage get", sized),
        ("storage stat", sized),
        ("storage remove", {"atelier.storage.key": key}),
    ]


async def test_a_look_outside_a_request_has_no_span(store: ObjectStore, spans: InMemorySpanExporter) -> None:
    key = new_key()
    await store.put(key, PICTURE, "image/png")

    await store.stat(key)

    assert [span.name for span in spans.get_finished_spans() if key in (span.attributes or {}).values()] == []


def store_at(port: int, *, timeout_s: float = 2.0, threads: int = 4) -> ObjectStore:
    return ObjectStore(
        StorageSettings(
            endpoint=f"http://127.0.0.1:{port}",
            access_key="a",
            secret_key=SecretStr("b"),
            bucket="pictures",
            timeout_s=timeout_s,
            threads=threads,
        )
    )

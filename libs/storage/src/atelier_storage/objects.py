"""The only access to the bucket. minio-py is synchronous, so each operation runs on a bounded thread pool, with a
timeout and a span; presigned URLs are computed here without a request.
"""

import asyncio
import hashlib
import io
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TypeVar
from urllib.parse import unquote

from minio.commonconfig import CopySource
from opentelemetry import trace

from atelier_storage.client import http_pool, minio_client, to_origin, translate_errors
from atelier_storage.errors import ObjectCorrupt, ObjectTooLarge, StorageError, StorageUnavailable, UploadIdentityUnfit
from atelier_storage.keys import is_server_made
from atelier_storage.presign import Signer
from atelier_storage.settings import StorageSettings
from atelier_storage.threads import BoundedThreads
from atelier_storage.url_policy import HttpTarget, parse_url

PRESIGN_S_MAX = 900
PUT_BYTES_MAX = 256 * 1024 * 1024
READY_TIMEOUT_S = 2.0
SPAN_KEY = "atelier.storage.key"
SPAN_SIZE = "atelier.storage.size"

_CHUNK_BYTES = 256 * 1024
_S3_PART_BYTES_MIN = 5 * 1024 * 1024
_META_SHA256 = "x-amz-meta-sha256"

_tracer = trace.get_tracer("atelier_storage")
T = TypeVar("T")


@dataclass(frozen=True)
class StoredObject:
    """What ``put`` stored; ``sha256`` is hexadecimal and kept with the object."""

    key: str
    size: int
    sha256: str
    content_type: str


@dataclass(frozen=True)
class ObjectInfo:
    """What the store says of an object; ``sha256`` is None for one that a client uploaded."""

    key: str
    size: int
    sha256: str | None
    content_type: str


@dataclass(frozen=True)
class ListedObject:
    """What a listing says of an object; ``size`` in bytes, ``modified_at`` is the store's own clock."""

    key: str
    size: int
    modified_at: datetime


@dataclass(frozen=True)
class PresignedPut:
    """An upload a client may make: send exactly these headers with the body, before ``expires_at``."""

    url: str
    method: str
    headers: dict[str, str]
    expires_at: datetime


class ObjectStore:
    """Objects of one bucket. Every operation takes keys made by ``atelier_storage.keys`` (others: ValueError), raises
    StorageUnavailable when the store does not answer usefully in time, and may safely be repeated.
    """

    def __init__(self, settings: StorageSettings, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._settings = settings
        self._clock = clock
        self._http = http_pool(settings)
        self._client = minio_client(settings, self._http)
        self._signer = Signer(settings.access_key, settings.secret_key.get_secret_value(), settings.region)
        self._upload_signer = _upload_signer(settings)
        self.public_origin = to_origin(settings.public_endpoint or settings.endpoint)
        """``scheme://host[:port]`` of presigned URLs."""
        self._threads = BoundedThreads(settings.threads, settings.timeout_s)

    async def put(
        self, key: str, data: bytes, content_type: str, metadata: Mapping[str, str] | None = None
    ) -> StoredObject:
        """Stores the bytes with their SHA-256, to be served as an attachment; an object of this key is replaced.

        Raises ObjectTooLarge past 256 MiB.
        """
        if len(data) > PUT_BYTES_MAX:
            raise ObjectTooLarge(
                f"{key} would be {len(data)} bytes, more than the {PUT_BYTES_MAX} one object may have."
            )

        def write() -> StoredObject:
            digest = hashlib.sha256(data).hexdigest()
            headers = {**(metadata or {}), "sha256": digest, "Content-Disposition": _attachment(key)}
            # One part whatever the size: an object appears whole or not at all, and no threads beyond ours start.
            self._client.put_object(
                self._settings.bucket,
                key,
                io.BytesIO(data),
                len(data),
                content_type,
                {**headers},
                part_size=max(len(data), _S3_PART_BYTES_MIN),
            )
            return StoredObject(key, len(data), digest, content_type)

        with self._span("put", key, len(data)):
            return await self._run_in_thread(key, write)

    async def get(self, key: str, max_bytes: int) -> bytes:
        """The object's bytes, checked against the SHA-256 kept with it.

        Raises ObjectMissing, ObjectTooLarge past ``max_bytes`` (without reading on), ObjectCorrupt.
        """
        with self._span("get", key) as span:
            deadline = time.monotonic() + self._settings.timeout_s
            data = await self._run_in_thread(key, lambda: self._read(key, max_bytes, deadline))
            span.set_attribute(SPAN_SIZE, len(data))
            return data

    async def stat(self, key: str) -> ObjectInfo:
        """Size, type and checksum without the bytes. Raises ObjectMissing."""
        with self._span("stat", key) as span:
            head = await self._run_in_thread(key, lambda: self._client.stat_object(self._settings.bucket, key))
            size = head.size or 0
            span.set_attribute(SPAN_SIZE, size)
            sha256 = (head.metadata or {}).get(_META_SHA256)
            return ObjectInfo(key, size, sha256, head.content_type or "application/octet-stream")

    async def remove(self, key: str) -> None:
        """Removes the object; a missing one is no error."""
        with self._span("remove", key):
            await self._run_in_thread(key, lambda: self._client.remove_object(self._settings.bucket, key))

    async def copy(self, source: str, key: str) -> None:
        """Copies an object within the store with its type and checksum. Raises ObjectMissing."""
        bucket, origin = self._settings.bucket, CopySource(self._settings.bucket, _check_key(source))
        with self._span("copy", key):
            await self._run_in_thread(key, lambda: self._client.copy_object(bucket, key, origin))

    async def list_page(self, folder: str, *, after: str, limit: int) -> list[ListedObject]:
        """At most ``limit`` objects under a folder ("": all) past the key ``after``, in the order of their keys."""

        def read() -> list[ListedObject]:
            entries = self._client.list_objects(self._settings.bucket, folder, recursive=True, start_after=after)
            return [
                ListedObject(entry.object_name, entry.size or 0, entry.last_modified)
                for entry in islice(entries, limit)
                if entry.object_name and entry.last_modified
            ]

        return await self._run_in_thread(folder, read)

    def presign_put(self, key: str, content_type: str, expires_s: int, size: int | None = None) -> PresignedPut:
        """An upload URL for one key and content type, and for exactly ``size`` bytes when given. At most 900 s.

        Signed by the identity that can only put uploads: the holder of the URL can do no more than that.
        """
        if self._upload_signer is None:
            raise UploadIdentityUnfit(
                "ATELIER_S3_UPLOAD_ACCESS_KEY and _SECRET_KEY are not set: nothing may sign uploads."
            )
        headers = {"Content-Type": content_type} | ({} if size is None else {"Content-Length": str(size)})
        url = self._presign("PUT", key, expires_s, signer=self._upload_signer, headers=headers)
        return PresignedPut(url, "PUT", headers, self._clock() + timedelta(seconds=expires_s))

    def presign_get(self, key: str, expires_s: int) -> str:
        """A download URL for one key, answered as an attachment whatever the upload said. At most 900 s."""
        return self._presign("GET", key, expires_s, query={"response-content-disposition": _attachment(key)})

    def key_of(self, url: str) -> str | None:
        """The key a URL of this installation's store names, or None when it leads elsewhere.

        Empty for a URL of our store that names no object of our bucket: such a URL has no owner and must
        not be fetched as a foreign one. The signature is ignored; ``belongs_to`` decides who may use the key.
        """
        target = parse_url(url)
        if not isinstance(target, HttpTarget):
            return None
        path = unquote(target.path).lstrip("/")
        for origin in (self._settings.endpoint, self._settings.public_endpoint):
            if origin is None or target.port != origin.port:
                continue
            host = (origin.host or "").strip("[]").removesuffix(".").lower()
            if target.host == f"{self._settings.bucket}.{host}":
                return path if is_server_made(path) else ""
            if target.host == host:
                key = path.removeprefix(f"{self._settings.bucket}/")
                return key if key != path and is_server_made(key) else ""
        return None

    async def ready(self) -> bool:
        """Whether the bucket answers within two seconds."""
        try:
            async with asyncio.timeout(READY_TIMEOUT_S):
                return await self._run_in_thread("", lambda: self._client.bucket_exists(self._settings.bucket))
        except (StorageError, TimeoutError):
            return False

    async def ensure_bucket(self) -> None:
        """Creates the bucket unless it exists; for launchers and tests, operators create the production bucket."""

        def create() -> None:
            if not self._client.bucket_exists(self._settings.bucket):
                self._client.make_bucket(self._settings.bucket)

        await self._run_in_thread("", create)

    def close(self) -> None:
        """Releases threads and connections; operations still running end by their own timeouts."""
        self._threads.close()
        self._http.clear()

    def _presign(
        self,
        method: str,
        key: str,
        expires_s: int,
        *,
        signer: Signer | None = None,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> str:
        if not 1 <= expires_s <= PRESIGN_S_MAX:
            raise ValueError(f"A presigned URL lives 1 to {PRESIGN_S_MAX} seconds, not {expires_s}.")
        path = f"/{self._settings.bucket}/{_check_key(key)}"
        return (signer or self._signer).presign(
            method, self.public_origin, path, now=self._clock(), expires_s=expires_s, headers=headers, query=query
        )

    def _read(self, key: str, max_bytes: int, deadline: float) -> bytes:
        response = self._client.get_object(self._settings.bucket, key)
        try:
            length = int(response.headers.get("content-length", 0))
            if length > max_bytes:
                raise ObjectTooLarge(f"{key} has {length} bytes, more than the {max_bytes} allowed.")
            data = bytearray()
            # Never decoded: an upload that claims Content-Encoding: gzip must not unfold in our memory.
            while chunk := response.read(_CHUNK_BYTES, decode_content=False):
                data += chunk
                if len(data) > max_bytes:
                    raise ObjectTooLarge(f"{key} has more than the {max_bytes} bytes allowed.")
                if time.monotonic() > deadline:
                    raise StorageUnavailable(f"Reading {key} took longer than {self._settings.timeout_s} s.")
            expected = response.headers.get(_META_SHA256)
        finally:
            response.close()
            response.release_conn()
        if expected is not None and hashlib.sha256(data).hexdigest() != expected:
            raise ObjectCorrupt(f"{key} does not match the SHA-256 it was stored with.")
        return bytes(data)

    async def _run_in_thread(self, key: str, call: Callable[[], T]) -> T:
        try:
            return await self._threads.run(translate_errors(key, call))
        except TimeoutError as error:
            raise StorageUnavailable(f"The object store took longer than {self._settings.timeout_s} s.") from error

    @contextmanager
    def _span(self, operation: str, key: str, size: int | None = None) -> Iterator[trace.Span]:
        attributes: dict[str, str | int] = {SPAN_KEY: _check_key(key)} | ({} if size is None else {SPAN_SIZE: size})
        if not trace.get_current_span().get_span_context().is_valid:
            yield trace.INVALID_SPAN  # outside a request: a sweep
            return
        kind = trace.SpanKind.CLIENT
        with _tracer.start_as_current_span(f"storage {operation}", kind=kind, attributes=attributes) as span:
            yield span


def _upload_signer(settings: StorageSettings) -> Signer | None:
    if settings.upload_access_key is None or settings.upload_secret_key is None:
        return None
    return Signer(settings.upload_access_key, settings.upload_secret_key.get_secret_value(), settings.region)


def _check_key(key: str) -> str:
    if not is_server_made(key):
        raise ValueError(f"{key!r} is not a key made by atelier_storage.keys.")
    return key


def _attachment(key: str) -> str:
    return f'attachment; filename="{key.rsplit("/", 1)[-1]}"'

"""The identity that signs upload URLs: it may put objects under the upload prefixes and do nothing else.

What the holder of an upload URL can reach must not depend on our server's checks, so the identity that signs it cannot
read, list or remove anything. That is verified by trying, not assumed.
"""

import asyncio
import io
from collections.abc import Callable
from uuid import uuid4

from minio import Minio
from minio.error import S3Error

from atelier_storage.client import http_pool, minio_client, translate_errors
from atelier_storage.errors import StorageUnavailable, UploadIdentityUnfit
from atelier_storage.keys import OWNER_FOLDERS, artefact_key, upload_key
from atelier_storage.settings import StorageSettings

CHECK_S_MAX = 10.0
_PROBE = b"checks the identity that signs uploads"
_UNKNOWN = frozenset({"InvalidAccessKeyId", "SignatureDoesNotMatch"})


def upload_policy(bucket: str) -> dict[str, object]:
    """What the identity may do, as an IAM policy document."""
    prefixes = [f"arn:aws:s3:::{bucket}/{folder}/*/uploads/*" for folder in OWNER_FOLDERS.values()]
    statement = {"Effect": "Allow", "Action": ["s3:PutObject"], "Resource": prefixes}
    return {"Version": "2012-10-17", "Statement": [statement]}


class UploadIdentity:
    """Verifies once, by trying, that the configured identity can put uploads and do nothing else."""

    def __init__(self, settings: StorageSettings) -> None:
        self._settings = settings
        self._is_verified = False

    async def verify(self) -> None:
        """Raises UploadIdentityUnfit, or StorageUnavailable when the store cannot say now."""
        if self._is_verified:
            return
        try:
            async with asyncio.timeout(CHECK_S_MAX):
                await asyncio.to_thread(translate_errors("the check of the upload identity", self._try_permissions))
        except TimeoutError:
            raise StorageUnavailable(f"The upload identity was not checked within {CHECK_S_MAX} s.") from None
        self._is_verified = True

    def _try_permissions(self) -> None:
        settings = self._settings
        if settings.upload_access_key is None or settings.upload_secret_key is None:
            raise UploadIdentityUnfit(
                "There is no identity for uploads: set ATELIER_S3_UPLOAD_ACCESS_KEY and _SECRET_KEY."
            )
        http = http_pool(settings)
        keys = {"access_key": settings.upload_access_key, "secret_key": settings.upload_secret_key}
        own, uploading = minio_client(settings, http), minio_client(settings.model_copy(update=keys), http)
        upload, result = (
            upload_key("store", uuid4(), uuid4(), "check.txt"),
            artefact_key("store", uuid4(), uuid4(), 0, "png"),
        )
        try:
            for key in (upload, result):
                _put(own, settings.bucket, key)
            _check(uploading, settings.bucket, upload, result)
        finally:
            for key in (upload, result):
                own.remove_object(settings.bucket, key)
            http.clear()


def _check(client: Minio, bucket: str, upload: str, result: str) -> None:
    if _is_refused(lambda: _put(client, bucket, upload)):
        raise UploadIdentityUnfit(f"The identity for uploads cannot put {upload}.")
    forbidden: dict[str, Callable[[], object]] = {
        "read an upload": lambda: _read(client, bucket, upload),
        "read a result": lambda: _read(client, bucket, result),
        "list the bucket": lambda: list(client.list_objects(bucket, prefix=upload)),
        "write a result": lambda: _put(client, bucket, result),
        "remove an upload": lambda: client.remove_object(bucket, upload),
    }
    if able := [what for what, act in forbidden.items() if not _is_refused(act)]:
        raise UploadIdentityUnfit(f"The identity for uploads must not be able to {', '.join(able)}.")


def _is_refused(act: Callable[[], object]) -> bool:
    try:
        act()
    except S3Error as error:
        if error.code in _UNKNOWN:
            raise UploadIdentityUnfit(f"The store does not know the identity for uploads: {error.code}.") from None
        if error.code == "AccessDenied":
            return True
        raise
    return False


def _put(client: Minio, bucket: str, key: str) -> None:
    client.put_object(bucket, key, io.BytesIO(_PROBE), len(_PROBE), "text/plain")


def _read(client: Minio, bucket: str, key: str) -> None:
    response = client.get_object(bucket, key)
    response.close()
    response.release_conn()

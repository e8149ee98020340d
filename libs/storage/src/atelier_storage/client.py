"""Sets up minio-py and translates its errors into this package's."""

from collections.abc import Callable
from functools import partial
from typing import TypeVar

import urllib3
from minio import Minio
from minio.error import InvalidResponseError, MinioException, S3Error

from atelier_storage.ca_bundle import ca_bundle_path
from atelier_storage.errors import ObjectMissing, StorageUnavailable
from atelier_storage.settings import Origin, StorageSettings

T = TypeVar("T")
_MISSING_CODES = frozenset({"NoSuchKey", "NoSuchObject", "NoSuchVersion"})


def to_origin(url: Origin) -> str:
    """scheme://host[:port], the port left out where it is the scheme's own."""
    return str(url).rstrip("/")


def minio_client(settings: StorageSettings, http: urllib3.PoolManager) -> Minio:
    """A client with a fixed region, so that it never looks up where the bucket lies."""
    return Minio(
        to_origin(settings.endpoint).split("://", 1)[1],
        access_key=settings.access_key,
        secret_key=settings.secret_key.get_secret_value(),
        secure=settings.endpoint.scheme == "https",
        region=settings.region,
        http_client=http,
    )


def http_pool(settings: StorageSettings) -> urllib3.PoolManager:
    """A connection pool with timeouts and without redirects."""
    retry = urllib3.Retry(
        # For an idle connection that the store has closed; every operation here may be repeated.
        total=1,
        redirect=False,
        status=0,
        allowed_methods=None,
        backoff_factor=0.1,
        respect_retry_after_header=False,
    )
    timeout = urllib3.Timeout(connect=settings.connect_timeout_s, read=settings.timeout_s)
    return urllib3.PoolManager(maxsize=settings.threads, timeout=timeout, retries=retry, ca_certs=ca_bundle_path())


def translate_errors(key: str, call: Callable[[], T]) -> Callable[[], T]:
    """Wraps a call so that it raises ObjectMissing or StorageUnavailable instead of minio-py's and urllib3's errors."""
    return partial(_call_translated, key, call)


def _call_translated(key: str, call: Callable[[], T]) -> T:
    try:
        return call()
    except S3Error as error:
        if error.code in _MISSING_CODES:
            raise ObjectMissing(f"No object has the key {key}.") from error
        raise StorageUnavailable(f"The object store answered {error.code}.") from error
    except InvalidResponseError:
        # Its text holds the whole body, which is neither for logs nor for spans.
        raise StorageUnavailable("The object store answered something that is not S3.") from None
    except (MinioException, urllib3.exceptions.HTTPError, OSError) as error:
        raise StorageUnavailable(f"The object store did not answer: {type(error).__name__}.") from error

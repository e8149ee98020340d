"""Where the last checkpoint is kept outside the database: a file, a bucket, an address that it is sent to."""

import asyncio
import io
import os
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

from minio.commonconfig import COMPLIANCE
from minio.retention import Retention

from atelier_billing.proof.checkpoints import BadCheckpoint
from atelier_storage.client import http_pool, minio_client, translate_errors
from atelier_storage.errors import ObjectMissing, StorageUnavailable
from atelier_storage.settings import StorageSettings

SEND_S_MAX = 5.0


class StoreUnavailable(Exception):
    """The store did not answer; nothing can be said about what it holds."""


class CheckpointStore(Protocol):
    """One place outside the database."""

    name: str
    can_be_read: bool

    async def read(self) -> str | None:
        """The last checkpoint there; None where there is none, or where a store cannot be read from. Raises
        BadCheckpoint for one that is unreadable, StoreUnavailable."""
        ...

    async def write(self, note: str) -> None:
        """Replaces it. Raises StoreUnavailable."""
        ...


class CheckpointFile:
    """A file, on a volume that who administers the database cannot reach."""

    can_be_read = True

    def __init__(self, path: Path) -> None:
        self._path = path
        self.name = str(path)

    async def read(self) -> str | None:
        """The file's text. Raises BadCheckpoint."""
        return await asyncio.to_thread(self._read)

    async def write(self, note: str) -> None:
        """Replaces the file whole. Raises StoreUnavailable."""
        try:
            await asyncio.to_thread(self._write, note)
        except OSError as error:
            raise StoreUnavailable(str(error)) from error

    def _read(self) -> str | None:
        try:
            return self._path.read_text()
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise BadCheckpoint(f"it cannot be read: {error}") from error

    def _write(self, note: str) -> None:
        beside = self._path.with_name(f"{self._path.name}.new")
        with beside.open("w") as file:
            file.write(note)
            file.flush()
            # Before the rename, else a power cut can leave an empty file in the place of the last checkpoint.
            os.fsync(file.fileno())
        beside.replace(self._path)
        _sync_folder(self._path.parent)


class CheckpointBucket:
    """An object of a bucket. With ``lock_days`` each version of it is locked so long (COMPLIANCE): not even who holds
    these credentials can remove it. That needs a bucket with object lock."""

    can_be_read = True

    def __init__(self, settings: StorageSettings, origin: str, *, lock_days: int = 0) -> None:
        self._client = minio_client(settings, http_pool(settings))
        self._bucket = settings.bucket
        self._key = f"{origin}/checkpoint.txt"
        self._lock_days = lock_days
        self.name = f"s3://{settings.bucket}/{self._key}"

    async def read(self) -> str | None:
        """The object's text. Raises BadCheckpoint, StoreUnavailable."""
        try:
            data = await asyncio.to_thread(translate_errors(self._key, self._read))
            return data.decode()
        except ObjectMissing:
            return None
        except StorageUnavailable as error:
            raise StoreUnavailable(str(error)) from error
        except UnicodeDecodeError as error:
            raise BadCheckpoint(f"it cannot be read: {error}") from error

    async def write(self, note: str) -> None:
        """Puts the next version. Raises StoreUnavailable."""
        try:
            await asyncio.to_thread(translate_errors(self._key, lambda: self._write(note.encode())))
        except (StorageUnavailable, ObjectMissing) as error:
            raise StoreUnavailable(str(error)) from error

    def _read(self) -> bytes:
        response = self._client.get_object(self._bucket, self._key)
        try:
            return bytes(response.read())
        finally:
            response.close()
            response.release_conn()

    def _write(self, data: bytes) -> None:
        until = datetime.now(UTC) + timedelta(days=self._lock_days)
        retention = Retention(COMPLIANCE, until) if self._lock_days else None
        self._client.put_object(
            self._bucket, self._key, io.BytesIO(data), len(data), "text/plain; charset=utf-8", retention=retention
        )


class CheckpointWebhook:
    """An address that each checkpoint is POSTed to, as text; the receiver keeps them."""

    can_be_read = False

    def __init__(self, url: str) -> None:
        self._url = url
        self.name = url

    async def read(self) -> str | None:
        """Nothing: what was sent is not asked for again."""
        return None

    async def write(self, note: str) -> None:
        """Sends it. Raises StoreUnavailable unless the answer is 2xx."""
        try:
            await asyncio.to_thread(self._send, note.encode())
        except (OSError, ValueError) as error:
            raise StoreUnavailable(str(error)) from error

    def _send(self, data: bytes) -> None:
        headers = {"Content-Type": "text/plain; charset=utf-8"}
        request = urllib.request.Request(self._url, data, headers, method="POST")  # noqa: S310 - an operator's setting
        with urllib.request.urlopen(request, timeout=SEND_S_MAX):  # noqa: S310
            pass


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

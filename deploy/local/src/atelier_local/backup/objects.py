"""The bucket in a backup: a line for each object with its key, size, ETag and SHA-256 as far as that is on record; its
bytes, too, where copies are requested, each under its own SHA-256."""

import asyncio
import hashlib
import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import urllib3
from minio import Minio
from minio.error import MinioException, S3Error

from atelier_local.backup.manifest import COPIES, OBJECTS, ObjectsEntry, digest_of
from atelier_local.errors import StackError
from atelier_local.launcher.objectstore import minio_client

THREADS = 8
CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One object. ``size`` in bytes; ``sha256`` is None where no database has it on record."""

    key: str
    size: int
    etag: str
    content_type: str | None = None
    sha256: str | None = None


class Bucket:
    """The bucket that the settings name, as the services' identity."""

    def __init__(self, settings: Mapping[str, str]) -> None:
        self._client: Minio = minio_client(settings)
        self._name = settings["ATELIER_S3_BUCKET"]

    async def save(self, folder: Path, digests: Mapping[str, str], *, copy: bool) -> ObjectsEntry:
        """Writes the list, and the copies where requested; ``digests`` is the SHA-256 on record by key. Raises
        StackError."""
        try:
            return await asyncio.to_thread(self._save, folder, digests, copy)
        except (OSError, MinioException, urllib3.exceptions.HTTPError) as error:
            raise StackError(f"the bucket {self._name} cannot be saved: {error}") from None

    async def put_copies(self, folder: Path) -> int:
        """Puts every copied object; returns how many. Raises StackError."""
        try:
            return await asyncio.to_thread(self._put_copies, folder)
        except (OSError, MinioException, urllib3.exceptions.HTTPError) as error:
            raise StackError(f"the bucket {self._name} cannot be filled: {error}") from None

    async def find_missing(self, folder: Path) -> list[str]:
        """Keys of the list that the bucket has not, or has with another size. Raises StackError."""
        try:
            present = {found.key: found.size for found in await asyncio.to_thread(lambda: list(self._list()))}
        except (OSError, MinioException, urllib3.exceptions.HTTPError) as error:
            raise StackError(f"the bucket {self._name} cannot be listed: {error}") from None
        return [listed.key for listed in read_list(folder) if present.get(listed.key) != listed.size]

    def _save(self, folder: Path, digests: Mapping[str, str], copy: bool) -> ObjectsEntry:
        found = [replace(each, sha256=digests.get(each.key)) for each in self._list()]
        if copy:
            (folder / COPIES).mkdir()
            with ThreadPoolExecutor(THREADS) as threads:
                copied = threads.map(lambda each: self._copy(folder / COPIES, each), found)
                found = [each for each in copied if each is not None]
        with (folder / OBJECTS).open("w") as file:
            file.writelines(json.dumps(asdict(each)) + "\n" for each in found)
        return ObjectsEntry(copied=copy, count=len(found), bytes=sum(each.size for each in found))

    def _list(self) -> Iterator[StoredObject]:
        for found in self._client.list_objects(self._name, recursive=True):
            if not found.is_dir and found.object_name is not None:
                yield StoredObject(found.object_name, found.size or 0, (found.etag or "").strip('"'))

    def _copy(self, folder: Path, listed: StoredObject) -> StoredObject | None:
        """None for an object that was deleted since it was listed."""
        digest, draft = hashlib.sha256(), folder / f".{hashlib.sha256(listed.key.encode()).hexdigest()}"
        try:
            response: Any = self._client.get_object(self._name, listed.key)
        except S3Error as error:
            if error.code == "NoSuchKey":
                return None
            raise
        try:
            with draft.open("wb") as file:
                for chunk in response.stream(CHUNK):
                    digest.update(chunk)
                    file.write(chunk)
            content_type = response.headers.get("Content-Type")
        finally:
            response.close()
            response.release_conn()
        size = draft.stat().st_size
        draft.replace(folder / digest.hexdigest())
        return replace(listed, size=size, content_type=content_type, sha256=digest.hexdigest())

    def _put_copies(self, folder: Path) -> int:
        def put(each: StoredObject) -> None:
            file, content_type = folder / COPIES / str(each.sha256), each.content_type or "application/octet-stream"
            self._client.fput_object(self._name, each.key, str(file), content_type)

        with ThreadPoolExecutor(THREADS) as threads:
            return len(list(threads.map(put, read_list(folder))))


def read_list(folder: Path) -> list[StoredObject]:
    """The objects of a backup."""
    return [StoredObject(**json.loads(line)) for line in (folder / OBJECTS).read_text().splitlines()]


def check_copies(folder: Path) -> None:
    """Raises StackError naming the first object whose copy is missing or not as it was."""
    for each in read_list(folder):
        copy = folder / COPIES / str(each.sha256)
        if not copy.is_file():
            raise StackError(f"the backup is not whole: the copy of {each.key} is missing")
        if digest_of(copy) != each.sha256:
            raise StackError(f"the backup was altered: the copy of {each.key} has another SHA-256 than its name says")

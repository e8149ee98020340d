"""Where a client may put a picture or a text before it asks for something to be made of it. Same rules everywhere.

An upload that no generation is made of lives a day. Its bytes are the client's until they are used (``intake.py``).
"""

import asyncio
import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from pydantic import Field
from uuid_utils.compat import uuid7

from atelier_contracts import Owner
from atelier_gateway.identity.client_tokens import ClientToken
from atelier_gateway.media import input_store, removal_store, upload_store
from atelier_gateway.media.input_references import INPUT_BYTES_MAX
from atelier_gateway.media.media_types import UploadType
from atelier_gateway.media.narration_fields import TEXT_BYTES_MAX
from atelier_gateway.media.upload_rules import UploadRules
from atelier_gateway.media.upload_store import StoredUpload
from atelier_gateway.web.json_bodies import FileName, RequestBody
from atelier_gateway.web.problems import Problem, field_problem, not_found
from atelier_messaging import Transaction, UnitOfWork
from atelier_storage.errors import ObjectMissing, StorageUnavailable, UploadIdentityUnfit
from atelier_storage.keys import safe_filename, upload_key
from atelier_storage.objects import PRESIGN_S_MAX, ObjectStore
from atelier_storage.upload_identity import UploadIdentity

SWEEP_EVERY_S = 600.0
SWEPT_AT_ONCE = 20
BATCHES_MAX = 50
AUDIENCE_MAX = 20
"""Unused uploads of one end user's client tokens."""
URL_LAPSED_S = PRESIGN_S_MAX + 60.0
"""When nothing can be put to an upload any more, however slow a clock or a transfer is."""
logger = logging.getLogger(__name__)


class UploadRequest(RequestBody):
    """``POST …/uploads`` (000.8). With ``size_bytes`` the URL takes exactly that many; without, what lies
    there is looked at when it is used, and when the URL has lapsed."""

    filename: FileName
    content_type: UploadType
    size_bytes: int | None = Field(default=None, ge=1, le=INPUT_BYTES_MAX)


class SizedUploadRequest(UploadRequest):
    """``POST /v1/uploads``: the URL takes exactly ``size_bytes``."""

    size_bytes: int = Field(ge=1, le=INPUT_BYTES_MAX)


def bytes_max(content_type: str) -> int:
    """How large an upload of this type may be."""
    return TEXT_BYTES_MAX if content_type == "text/plain" else INPUT_BYTES_MAX


class Uploads:
    """Offers uploads, shows and deletes them, and removes unused ones."""

    def __init__(self, unit: UnitOfWork, objects: ObjectStore, identity: UploadIdentity, rules: UploadRules) -> None:
        self._unit = unit
        self._objects = objects
        self._identity = identity
        self._rules = rules

    async def prove_at_start(self) -> None:
        """Raises UploadIdentityUnfit: the process must not start. An unavailable store is tried again with each
        offer."""
        await prove_at_start(self._identity)

    async def offer(self, owner: Owner, upload: UploadRequest, client: ClientToken | None = None) -> dict[str, object]:
        """``{id, key, upload_url, method, headers, url, expires_at}``; both URLs are good for 15 minutes. ``client``:
        the token whose audience alone may use it.

        Raises Problem 400 for a size that the type does not allow, 429 where too much is unused, 503.
        """
        most = bytes_max(upload.content_type)
        if upload.size_bytes is not None and upload.size_bytes > most:
            raise field_problem("size_bytes", f"at most {most} bytes of {upload.content_type} are taken")
        await prove(self._identity)
        id_: UUID = uuid7()
        key = upload_key(owner.kind, owner.id, id_, upload.filename)
        name = safe_filename(upload.filename)
        new = StoredUpload(id_, key, name, upload.content_type, upload.size_bytes, used=False, created_at=_now())
        async with self._unit.once(dispatch=False) as work:
            await self._check_quota(work, owner, upload.size_bytes or most)
            audience = client.audience if client else None
            if audience and await upload_store.count_of_audience(work.connection, owner, audience) >= AUDIENCE_MAX:
                detail = f"{AUDIENCE_MAX} uploads are unused, the most that there may be with a client token."
                raise Problem("uploads_full", detail, headers={"Retry-After": "60"})
            await upload_store.insert(work.connection, owner, new, audience)
        put = self._objects.presign_put(key, upload.content_type, PRESIGN_S_MAX, upload.size_bytes)
        return {
            "id": str(id_),
            "key": key,
            "upload_url": put.url,
            "method": put.method,
            "headers": put.headers,
            "url": self._objects.presign_get(key, PRESIGN_S_MAX),
            "expires_at": put.expires_at.isoformat(),
        }

    async def delete(self, owner: Owner, id_: UUID) -> None:
        """Removes it, and what holds its bytes unless a generation is made of that. Where the object store does not
        answer it is gone all the same, and its objects follow with the next sweep. Raises Problem 404."""
        async with self._unit.once(dispatch=False) as work:
            upload = await upload_store.find(work.connection, owner, id_)
            if upload is None:
                raise not_found("upload")
            locked = await input_store.lock_for_uploads(work.connection, [upload.key])
            gone = await input_store.release_with_uploads(work.connection, [upload.key], locked)
            await upload_store.mark_deleted(work.connection, [upload.key])
            await removal_store.schedule_removal(work.connection, gone)
        try:
            await self._remove(gone)
        except StorageUnavailable as error:
            logger.warning("deletion of an upload's objects failed, the next sweep retries it: %s", error)

    async def sweep(self) -> None:
        """Removes uploads that expired unused, were deleted, or are too large."""
        for sweep in (self._sweep_unsized, self._sweep_due, self._sweep_unlinked, self._sweep_doomed):
            for _ in range(BATCHES_MAX):
                if await sweep() < SWEPT_AT_ONCE:
                    break

    async def _check_quota(self, work: Transaction, owner: Owner, size: int) -> None:
        number, size_all = await upload_store.count_unused(
            work.connection, owner, unknown_bytes=INPUT_BYTES_MAX, url_s=URL_LAPSED_S
        )
        rules = self._rules
        if number >= rules.unused_max or size_all + size > rules.unused_bytes_max:
            detail = f"{number} uploads of yours with {size_all} bytes are unused; use or delete some."
            raise Problem("uploads_full", detail, headers={"Retry-After": "60"})

    async def _sweep_unsized(self) -> int:
        found = await upload_store.list_unsized(self._unit.pool, older_than_s=URL_LAPSED_S, limit=SWEPT_AT_ONCE)
        sizes = [await self._size(upload.key) for upload in found]
        await self._delete_unused(
            [upload for upload, size in zip(found, sizes, strict=True) if size > bytes_max(upload.content_type)]
        )
        for upload, size in zip(found, sizes, strict=True):
            async with self._unit.once(dispatch=False) as work:
                await upload_store.set_size(work.connection, upload.id, size)
        return len(found)

    async def _sweep_due(self) -> int:
        life_s = self._rules.unused_life_s
        due = await upload_store.list_expired(self._unit.pool, life_s=life_s, url_s=URL_LAPSED_S, limit=SWEPT_AT_ONCE)
        await self._delete_unused(due)
        return len(due)

    async def _sweep_unlinked(self) -> int:
        life_s = self._rules.unused_life_s
        async with self._unit.once(dispatch=False) as work:
            keys = await input_store.list_unlinked(work.connection, older_than_s=life_s, limit=SWEPT_AT_ONCE)
            gone = await input_store.release(work.connection, keys)
            await upload_store.mark_deleted(work.connection, gone)
            await removal_store.schedule_removal(work.connection, gone)
        return len(keys)

    async def _sweep_doomed(self) -> int:
        keys = await removal_store.list_scheduled(self._unit.pool, SWEPT_AT_ONCE)
        await self._remove(keys)
        return len(keys)

    async def _delete_unused(self, uploads: Sequence[StoredUpload]) -> None:
        """Forgets those that are still unused, and has their objects removed."""
        if not uploads:
            return
        async with self._unit.once(dispatch=False) as work:
            locked = await input_store.lock_for_uploads(work.connection, [upload.key for upload in uploads])
            unused = await upload_store.lock_unused(work.connection, [upload.id for upload in uploads])
            gone = await input_store.release_with_uploads(work.connection, list(unused.values()), locked)
            await upload_store.delete(work.connection, list(unused))
            await removal_store.schedule_removal(work.connection, gone)

    async def _remove(self, keys: Sequence[str]) -> None:
        """Outside every transaction: the store may be slow. What a crash leaves is still written down."""
        if not keys:
            return
        await asyncio.gather(*(self._objects.remove(key) for key in keys))
        async with self._unit.once(dispatch=False) as work:
            await removal_store.delete(work.connection, keys)

    async def _size(self, key: str) -> int:
        try:
            return (await self._objects.stat(key)).size
        except ObjectMissing:
            return 0


def view(upload: StoredUpload, rules: UploadRules, *, is_test: bool = False) -> dict[str, object]:
    """As its owner sees it, a test account where ``is_test``; ``expires_at`` is null once something is made of it."""
    expires = None if upload.used else upload.created_at.timestamp() + rules.unused_life_s
    return {
        "id": str(upload.id),
        "test": is_test,
        "key": upload.key,
        "filename": upload.filename,
        "content_type": upload.content_type,
        "size_bytes": upload.size_bytes,
        "used": upload.used,
        "created_at": upload.created_at,
        "expires_at": None if expires is None else datetime.fromtimestamp(expires, UTC),
    }


def _now() -> datetime:
    return datetime.now(UTC)


async def prove_at_start(identity: UploadIdentity) -> None:
    """Raises UploadIdentityUnfit: the process must not start. An unavailable store is tried again with each offer."""
    try:
        await identity.verify()
    except StorageUnavailable as error:
        logger.warning("check of the upload identity failed, no upload is offered until it succeeds: %s", error)


async def prove(identity: UploadIdentity) -> None:
    """Raises Problem 503 unless the identity is known to be fit."""
    try:
        await identity.verify()
    except StorageUnavailable:
        raise Problem("unavailable", "The object store does not answer; try again later.") from None
    except UploadIdentityUnfit as error:
        logger.error("upload identity is unfit, uploads are refused: %s", error)
        raise Problem("unavailable", "Uploads cannot be taken at the moment.") from None

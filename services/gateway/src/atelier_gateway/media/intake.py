"""Pictures and texts on their way in: read, pictures in a bounded child process, before anything believes them, then
written down.

A client's upload goes to the object store past us, and can be replaced there while its URL is good. So it is read once,
when it is first used, and what was checked is stored under a key of ours that is named by its SHA-256: everything after
(price, provider, receipt) speaks of that object. What is written down of a picture (type, measures, checksum) is what
its bytes say, never what a client says of them.
"""

import hashlib
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Collection
from dataclasses import replace
from functools import partial
from typing import TypeVar

from uuid_utils.compat import uuid7

from atelier_contracts import Owner
from atelier_contracts.value_objects import Role
from atelier_gateway.identity.authenticator import Principal
from atelier_gateway.media import store as media_store
from atelier_gateway.media import upload_store
from atelier_gateway.media.fair_turns import FairTurns
from atelier_gateway.media.narration_fields import TEXT_BYTES_MAX
from atelier_gateway.media.store import CATEGORIES, StoredFile, StoredPicture, StoredText
from atelier_gateway.projection import store as projection_store
from atelier_gateway.web.problems import Problem
from atelier_imaging import ImageRefused, ImageWorkerDied, ImageWorkers, Inspection, PhotoInfo
from atelier_imaging.pictures import empty_mask_refusal
from atelier_messaging.database import Pool
from atelier_storage.errors import ObjectMissing, ObjectTooLarge, StorageUnavailable
from atelier_storage.keys import belongs_to, generation_of, input_key, is_upload, safe_filename
from atelier_storage.objects import ObjectStore

__all__ = ["ImageRefused", "MediaIntake", "StoredPicture"]

BYTES_MAX = 25 * 1024 * 1024
TEXT_FILENAME = "text.txt"
WAIT_S_MAX = 60.0
WAITING_BYTES_MAX = 96 * 1024 * 1024
"""Of all pictures that wait for their turn; of one owner's at most half."""
PROBE_TRIES = 2
"""A child may die of another's bomb, or be killed by an operator; one that dies twice dies of this picture."""
logger = logging.getLogger(__name__)

Result = TypeVar("Result")


class MediaIntake:
    """Takes pictures in. Every method raises Problem 503 where the object store or the workers cannot be had."""

    def __init__(self, pool: Pool, objects: ObjectStore, images: ImageWorkers, turns: FairTurns) -> None:
        self._pool = pool
        self._objects = objects
        self._images = images
        self._turns = turns
        self._waiting_bytes: Counter[Owner] = Counter()

    async def store_picture(
        self, principal: Principal, data: bytes, *, role: Role, filename: str
    ) -> StoredPicture | ImageRefused:
        """Decodes and stores bytes that came in a request, under the owner's inputs; a mask has to mark something."""
        probed = await self._probe(principal.owner, data, mask=role == "mask")
        if isinstance(probed, ImageRefused):
            return probed
        if not probed.marks:
            return empty_mask_refusal()
        picture = _picture(principal.owner, data, probed)
        await self._store(principal.owner, picture, data, role=role, filename=filename)
        return picture

    async def measure(self, owner: Owner, data: bytes) -> PhotoInfo | ImageRefused:
        """Decodes bytes and stores nothing."""
        return await self._probe(owner, data)

    async def inspect_picture(self, owner: Owner, data: bytes) -> Inspection | ImageRefused:
        """Decodes an output, in its owner's turn, and stores nothing. One that no child survives is refused as too much
        to decode, which says nothing about it."""
        async with self._turns.turn(owner, timeout_s=WAIT_S_MAX):
            for _ in range(PROBE_TRIES):
                try:
                    return await self._images.inspect(data)
                except ImageWorkerDied as error:
                    logger.warning("inspection of %d bytes failed, it is retried once: %s", len(data), error)
        return ImageRefused("too_many_pixels", "The picture cannot be decoded within the memory and time allowed.")

    async def render_preview(self, owner: Owner, data: bytes, *, width: int, height: int) -> bytes | None:
        """A finished picture as a JPEG of these sides in pixels; None for one that cannot be decoded."""
        try:
            fitted = await self._run_in_turn(
                owner, data, partial(self._images.fit, data, width=width, height=height, image_format="jpeg")
            )
        except ImageWorkerDied as error:
            logger.warning("preview of a picture of %d bytes failed, only its URL is shown: %s", len(data), error)
            return None
        return None if isinstance(fitted, ImageRefused) else fitted.data

    async def store_text(self, principal: Principal, text: str, *, upload_key: str | None = None) -> StoredText:
        """Stores a text that was checked, under the owner's inputs: one that came in a request, or what an upload held
        when it was first used."""
        owner, data = principal.owner, text.encode()
        sha256 = hashlib.sha256(data).hexdigest()
        stored = StoredText(input_key(owner.kind, owner.id, uuid7(), sha256), len(data), sha256)
        name = upload_key.rsplit("/", 1)[-1] if upload_key else TEXT_FILENAME
        known = await self._store(owner, stored, data, role="text", filename=name, upload_key=upload_key)
        if not isinstance(known, StoredText):
            raise Problem("conflict", "This upload is used as a picture already.")
        return known

    async def read_uploaded_text(self, principal: Principal, key: str) -> tuple[bytes | None, StoredText | None]:
        """The bytes of an owner's upload that is to be narrated (None where they are too many), and what is
        stored of them if it was used before. Raises ObjectMissing."""
        known = (await media_store.find(self._pool, principal.owner, [key])).get(key)
        text = known if isinstance(known, StoredText) else None
        if text is None:
            await self._check_stands(key)
        try:
            return await self._objects.get(text.key if text else key, TEXT_BYTES_MAX), text
        except ObjectTooLarge:
            await self._remove(key)  # it can never be used
            return None, None
        except StorageUnavailable:
            raise _away() from None

    async def find_picture(self, principal: Principal, key_or_url: str) -> StoredPicture | None:
        """The picture that a key or URL of the owner's names; None for any other text, and for what is no picture."""
        key = self._objects.key_of(key_or_url) if "://" in key_or_url else key_or_url
        if not key or not belongs_to(key, principal.owner.kind, principal.owner.id):
            return None
        known = await self.find_known_pictures(principal.owner, [key])
        try:
            seen = known.get(key) or await self.inspect(principal.owner, key, "image")
        except ObjectMissing:
            return None
        return None if isinstance(seen, ImageRefused) else seen

    async def find_known_pictures(self, owner: Owner, keys: Collection[str]) -> dict[str, StoredPicture]:
        """The pictures that those of the keys stand for that have been looked at before."""
        found = await media_store.find(self._pool, owner, keys)
        return {key: stored for key, stored in found.items() if isinstance(stored, StoredPicture)}

    async def inspect(self, owner: Owner, key: str, role: Role) -> StoredPicture | ImageRefused:
        """Reads and decodes an object of the owner's that is used for the first time; an upload is stored as it is
        now. Raises ObjectMissing."""
        await self._check_stands(key)
        try:
            data = await self._objects.get(key, BYTES_MAX)
        except ObjectTooLarge:
            if is_upload(key):
                await self._remove(key)  # it can never be used
            return ImageRefused("too_many_bytes", f"The picture has more than {BYTES_MAX} bytes.")
        except StorageUnavailable:
            raise _away() from None
        probed = await self._probe(owner, data)
        if isinstance(probed, ImageRefused):
            return probed
        name = key.rsplit("/", 1)[-1]
        picture = _picture(owner, data, probed)
        if generation_of(key) is not None:  # a result: nobody but us writes there
            picture = replace(picture, key=key)
            await self._write(owner, picture, role, name)
            return picture
        known = await self._store(owner, picture, data, role=role, filename=name, upload_key=key)
        return known if isinstance(known, StoredPicture) else ImageRefused("broken", "This upload is used as a text.")

    async def check_mask(self, owner: Owner, stored: StoredPicture) -> ImageRefused | None:
        """Why a stored picture cannot be used as a mask; None where it marks something. Raises ObjectMissing."""
        try:
            probed = await self._probe(owner, await self._objects.get(stored.key, BYTES_MAX), mask=True)
        except StorageUnavailable:
            raise _away() from None
        if isinstance(probed, ImageRefused):
            return probed
        return None if probed.marks else empty_mask_refusal()

    async def discard(self, principal: Principal, stored: StoredPicture | StoredText) -> None:
        """Undoes ``picture`` or ``text``: for a request that came to nothing after all."""
        await media_store.delete(self._pool, principal.owner, stored.key)
        await self._remove(stored.key)

    async def close(self) -> None:
        """Ends the children."""
        await self._images.close()

    async def _store(
        self, owner: Owner, stored: StoredFile, data: bytes, *, role: Role, filename: str, upload_key: str | None = None
    ) -> StoredFile:
        """Stores and records it; where another request was quicker with the same upload, that object stays and this
        one is removed."""
        try:
            await self._objects.put(stored.key, data, stored.media_type)
        except StorageUnavailable:
            raise _away() from None
        try:
            new = await self._write(owner, stored, role, filename, upload_key)
        except Exception:
            await self._remove(stored.key)
            raise
        if new or upload_key is None:
            return stored
        await self._remove(stored.key)
        known = (await media_store.find(self._pool, owner, [upload_key])).get(upload_key)
        if known is None:
            raise Problem("conflict", "This upload was deleted while it was taken into use.")
        return known

    async def _write(
        self, owner: Owner, stored: StoredFile, role: Role, filename: str, upload_key: str | None = None
    ) -> bool:
        name, category = safe_filename(filename), CATEGORIES[role]
        return await media_store.insert(
            self._pool, owner, stored, category=category, filename=name, upload_key=upload_key
        )

    async def _check_stands(self, key: str) -> None:
        """Raises ObjectMissing for an upload that was deleted, though its object may not be removed yet, and for an
        output that is charged on delivery and was not delivered."""
        id_ = generation_of(key)
        if is_upload(key) and await upload_store.is_deleted(self._pool, key):
            raise ObjectMissing(key)
        if id_ is not None and await projection_store.is_undelivered(self._pool, id_, key):
            raise ObjectMissing(key)

    async def _remove(self, key: str) -> None:
        try:
            await self._objects.remove(key)
        except StorageUnavailable as error:
            logger.warning("deletion of object %s failed, it stays without a row: %s", key, error)

    async def _probe(self, owner: Owner, data: bytes, *, mask: bool = False) -> PhotoInfo | ImageRefused:
        return await self._run_in_turn(owner, data, partial(self._decode, data, mask=mask))

    async def _run_in_turn(self, owner: Owner, data: bytes, act: Callable[[], Awaitable[Result]]) -> Result:
        """Waits its owner's turn for so long, and among so many bytes only: pictures that wait are held in memory."""
        waiting = self._waiting_bytes
        if len(data) + max(waiting[owner] * 2, waiting.total()) > WAITING_BYTES_MAX:
            raise _busy()
        waiting[owner] += len(data)
        try:
            async with self._turns.turn(owner, timeout_s=WAIT_S_MAX):
                return await act()
        except TimeoutError:
            raise _busy() from None
        finally:
            waiting[owner] -= len(data)
            if not waiting[owner]:
                del waiting[owner]

    async def _decode(self, data: bytes, *, mask: bool) -> PhotoInfo | ImageRefused:
        for _ in range(PROBE_TRIES):
            try:
                return await self._images.probe(data, mask=mask)
            except ImageWorkerDied as error:
                logger.warning(
                    "decoding of a picture of %d bytes failed, it is retried once and then refused: %s",
                    len(data),
                    error,
                )
        return ImageRefused("broken", "The picture cannot be decoded within the memory and time allowed.")


def _picture(owner: Owner, data: bytes, probed: PhotoInfo) -> StoredPicture:
    digest = hashlib.sha256(data).hexdigest()
    key = input_key(owner.kind, owner.id, uuid7(), digest)
    return StoredPicture(key, probed.content_type, probed.width, probed.height, len(data), digest)


def _busy() -> Problem:
    return Problem(
        "unavailable", "Too many pictures are being looked at; try again later.", headers={"Retry-After": "5"}
    )


def _away() -> Problem:
    return Problem("unavailable", "The object store does not answer; try again later.")

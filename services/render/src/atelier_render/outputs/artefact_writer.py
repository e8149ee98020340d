"""Brings outputs into the object store under their owner's keys, and takes back what no winner owns."""

import asyncio
import logging

from atelier_contracts import Artefact
from atelier_messaging import is_outage
from atelier_messaging.database import Pool
from atelier_render import store
from atelier_render.jobs import Attempt, Job
from atelier_render.outputs.analysis import Output
from atelier_render.outputs.spool import RenderedOutputs, Spool
from atelier_render.outputs.tags import tags_of
from atelier_render.providers.toolkit.file_checks import EXTENSIONS
from atelier_render.retrying import retry_while_storage_unavailable
from atelier_storage.errors import StorageUnavailable
from atelier_storage.keys import artefact_key, thumbnail_key
from atelier_storage.objects import ObjectStore, StoredObject
from atelier_telemetry import metrics

LINGER_S = 120.0
"""Before what a loser stored is removed: a put that was given up may still be on its way, for longer than any put of
ours may take."""
THUMBNAIL_TYPE = "image/webp"
logger = logging.getLogger(__name__)


class ArtefactWriter:
    """Stores what attempts have made. Each attempt has keys of its own, so a loser touches nothing of the winner's."""

    def __init__(self, objects: ObjectStore, spool: Spool, pool: Pool) -> None:
        self._objects = objects
        self._spool = spool
        self._pool = pool

    async def recover_spooled(self, job: Job) -> RenderedOutputs | None:
        """What was rendered before and could not be stored, if it lies here."""
        if not self._spool.holds(job.generation_id):
            return None
        return await asyncio.to_thread(self._spool.recall, job.generation_id)

    async def save(self, attempt: Attempt, made: RenderedOutputs) -> tuple[Artefact, ...]:
        """Stores every output. While the store is unavailable they wait in the spool; run it under a timeout."""
        try:
            return await self._put_all(attempt, made)
        except StorageUnavailable:
            await asyncio.to_thread(self._spool.keep, attempt.job.generation_id, made)
        return await retry_while_storage_unavailable(lambda: self._put_all(attempt, made))

    async def settle(self, attempt: Attempt, *, won: bool, made: bool) -> None:
        """After the attempt's end: forgets the spool; a loser's objects go."""
        if self._spool.holds(attempt.job.generation_id):
            await asyncio.to_thread(self._spool.forget, attempt.job.generation_id)
        if made and not won:
            metrics.DISCARDED.inc()
        if not (made and won):
            await self.discard(attempt)

    async def discard(self, attempt: Attempt) -> None:
        """Has everything removed that the attempt has put, or begun to put. What it cannot note down because the
        database is unavailable is left to the sweep."""
        if not attempt.stored:
            return
        try:
            await store.schedule_deletion(self._pool, attempt.stored, "lost", in_s=LINGER_S)
        except Exception as error:
            if not is_outage(error):
                raise
            logger.warning(
                "scheduling the deletion of objects of %s failed, the sweep deletes them: %r", attempt.job.key, error
            )

    async def _put_all(self, attempt: Attempt, made: RenderedOutputs) -> tuple[Artefact, ...]:
        return tuple([await self._put(attempt, made, index, output) for index, output in enumerate(made.outputs)])

    async def _put(self, attempt: Attempt, made: RenderedOutputs, index: int, output: Output) -> Artefact:
        key = key_of(attempt, index, output.content_type)
        put = await self._put_one(attempt, key, output.data, output.content_type)
        small = None
        if output.thumbnail is not None:
            small = await self._put_one(attempt, thumbnail_key(key), output.thumbnail, THUMBNAIL_TYPE)
        return Artefact(
            key=key,
            content_type=put.content_type,
            size=put.size,
            sha256=put.sha256,
            width=output.width,
            height=output.height,
            thumbnail=small.key if small else None,
            colours=output.colours,
            tags=tags_of(attempt.job.spec, made.provider, output, made.model),
        )

    async def _put_one(self, attempt: Attempt, key: str, data: bytes, content_type: str) -> StoredObject:
        if key not in attempt.stored:
            attempt.stored.append(key)
        return await self._objects.put(key, data, content_type)


def key_of(attempt: Attempt, index: int, content_type: str) -> str:
    """Where the attempt's output at this place lies, or will."""
    owner, extension = attempt.job.owner, EXTENSIONS[content_type]
    return artefact_key(owner.kind, owner.id, attempt.job.generation_id, index, extension, attempt=attempt.folder)

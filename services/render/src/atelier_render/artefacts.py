"""Brings pictures into the object store under their owner's keys, and takes back what no winner owns."""

import asyncio
from collections.abc import Sequence

from atelier_contracts import Artefact
from atelier_messaging.database import Pool
from atelier_render import store
from atelier_render.jobs import Attempt, Job
from atelier_render.patience import patiently
from atelier_render.providers.protocol import Picture
from atelier_render.providers.verification import EXTENSIONS
from atelier_render.spool import Made, Spool
from atelier_storage.errors import StorageUnavailable
from atelier_storage.keys import artefact_key
from atelier_storage.objects import ObjectStore
from atelier_telemetry import metrics


class Artefacts:
    """Stores what attempts have made."""

    def __init__(self, objects: ObjectStore, spool: Spool, pool: Pool) -> None:
        self._objects = objects
        self._spool = spool
        self._pool = pool

    async def left_by_an_earlier_attempt(self, job: Job) -> Made | None:
        """What was rendered before and could not be stored, if it lies here."""
        if not self._spool.holds(job.generation_id):
            return None
        return await asyncio.to_thread(self._spool.recall, job.generation_id)

    async def save(self, attempt: Attempt, made: Made) -> tuple[Artefact, ...]:
        """Stores every picture. While the store is away they wait in the spool; run it under a timeout."""
        try:
            return await self._put_all(attempt, made.pictures)
        except StorageUnavailable:
            await asyncio.to_thread(self._spool.keep, attempt.job.generation_id, made)
        return await patiently(lambda: self._put_all(attempt, made.pictures))

    async def settle(self, attempt: Attempt, *, won: bool, made: bool) -> None:
        """After the attempt's end: forgets the spool; removes objects that belong to no winner."""
        if self._spool.holds(attempt.job.generation_id):
            await asyncio.to_thread(self._spool.forget, attempt.job.generation_id)
        if made and not won:
            metrics.DISCARDED.inc()
        if attempt.stored and not (made and won):
            await self._remove(attempt)

    async def _remove(self, attempt: Attempt) -> None:
        """Keys are the same for every attempt, so a winner's stay, and while another is at work all stay."""
        kept = await store.kept_keys(self._pool, attempt.job.generation_id)
        if kept is None:
            return
        for key in attempt.stored:
            if key not in kept:
                await self._objects.remove(key)

    async def _put_all(self, attempt: Attempt, pictures: Sequence[Picture]) -> tuple[Artefact, ...]:
        return tuple([await self._put(attempt, index, picture) for index, picture in enumerate(pictures)])

    async def _put(self, attempt: Attempt, index: int, picture: Picture) -> Artefact:
        job = attempt.job
        extension = EXTENSIONS[picture.content_type]
        key = artefact_key(job.owner.kind, job.owner.id, job.generation_id, index, extension)
        if key not in attempt.stored:
            attempt.stored.append(key)
        put = await self._objects.put(key, picture.data, picture.content_type)
        return Artefact(
            key=key,
            content_type=put.content_type,
            size=put.size,
            sha256=put.sha256,
            width=picture.width,
            height=picture.height,
        )

"""Pictures on their way to their end, put where the gateway looks for them while a client waits for the stream.

A preview is a hint: where it cannot be stored the render goes on without it. What lies there is deleted some time after
the attempt; of an attempt that died the sweep finds it.
"""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

from atelier_messaging import is_outage
from atelier_messaging.database import Pool
from atelier_render import store
from atelier_render.jobs import Job
from atelier_render.outputs.analysis import Output
from atelier_render.outputs.artefact_writer import LINGER_S
from atelier_render.provenance.marker import Marker, Origin
from atelier_render.providers.protocol import Input, Picture, show_to_no_client
from atelier_render.providers.toolkit.file_checks import EXTENSIONS, type_of
from atelier_storage.errors import StorageError
from atelier_storage.keys import preview_key
from atelier_storage.objects import ObjectStore

Show = Callable[[Picture], Awaitable[None]]
logger = logging.getLogger(__name__)


class Previews:
    """The previews of one process. Marked like outputs are, since clients see them."""

    def __init__(self, objects: ObjectStore, pool: Pool, marker: Marker | None) -> None:
        self._objects = objects
        self._pool = pool
        self._marker = marker

    @asynccontextmanager
    async def of(self, job: Job, inputs: Sequence[Input], provider: str) -> AsyncIterator[Show]:
        """What an attempt shows by, for as long as its provider is at work."""
        if not job.spec.previews:
            yield show_to_no_client
            return
        stored: list[str] = []
        origin = Origin(provider, job.spec.model, job.spec, tuple(inputs))

        async def show(picture: Picture) -> None:
            if len(stored) < job.spec.previews:
                await self._store(job, picture, origin, stored)

        try:
            yield show
        finally:
            await self._schedule_deletion(job, stored)

    async def _store(self, job: Job, picture: Picture, origin: Origin, stored: list[str]) -> None:
        content_type = f"image/{job.spec.format}"
        if type_of(picture.data) != content_type:
            return  # the client reads it as the format that it ordered
        data = picture.data
        if self._marker is not None:
            [marked] = await self._marker.mark([Output(data, content_type)], origin)
            data = marked.data
        owner = job.owner
        key = preview_key(owner.kind, owner.id, job.generation_id, len(stored), EXTENSIONS[content_type])
        stored.append(key)
        try:
            await self._objects.put(key, data, content_type)
        except StorageError as error:
            logger.warning("storing a preview of %s failed, the render goes on without it: %r", job.key, error)

    async def _schedule_deletion(self, job: Job, keys: Sequence[str]) -> None:
        if not keys:
            return
        try:
            await store.schedule_deletion(self._pool, keys, "preview", in_s=LINGER_S)
        except Exception as error:
            if not is_outage(error):
                raise
            logger.warning(
                "scheduling the deletion of previews of %s failed, the sweep deletes them: %r", job.key, error
            )

"""Deleting what a generation made and that it was. Its charge stays in the books: money has no delete."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

from atelier_contracts import GenerationDeleted
from atelier_gateway.disputes import store as dispute_store
from atelier_gateway.generations.rerenderer import settle_deleted
from atelier_gateway.media import input_store, upload_store
from atelier_gateway.peers import unconfirmed_store
from atelier_gateway.projection import store as projection_store
from atelier_gateway.projection.snapshot import TERMINAL
from atelier_gateway.projection.store import Generation
from atelier_gateway.subscriptions import event_log
from atelier_gateway.subscriptions.facts import deletion_fact
from atelier_gateway.web.problems import Problem
from atelier_gateway.webhooks import delivery_store
from atelier_messaging import UnitOfWork
from atelier_storage.errors import StorageUnavailable
from atelier_storage.keys import is_upload, owner_prefix
from atelier_storage.objects import ObjectStore


class GenerationDeleter:
    """Deletes generations that have ended."""

    def __init__(
        self, unit: UnitOfWork, objects: ObjectStore, publish_soon: Callable[[], object] = lambda: None
    ) -> None:
        """``publish_soon`` is called when a public event was logged."""
        self._unit = unit
        self._objects = objects
        self._publish_soon = publish_soon

    async def delete(self, generation: Generation) -> None:
        """Raises Problem 409 while it runs, 503 while its objects cannot be removed.

        The outputs go first: what is left by a crash in between can be deleted again. Render, which gets the event of
        the same commit, forgets the request and removes the inputs that nothing else is made of; the session forgets
        all but what the price depends on.
        """
        if generation.snapshot.rank != TERMINAL:
            raise Problem("conflict", "This generation has not ended; cancel it first.")
        async with self._unit.once() as work:
            await dispute_store.begin_deletion(work.connection, generation.id)
        try:
            await asyncio.gather(*(self._objects.remove(key) for key in artefact_keys(generation)))
        except StorageUnavailable:
            raise Problem("unavailable", "The object store does not answer; try again later.") from None
        async with self._unit.once() as work:
            keys = await input_store.list_for_generation(work.connection, generation.id, generation.owner)
            await settle_deleted(work, generation.id)
            if await projection_store.delete_ended(work.connection, generation.id, generation.owner):
                unused = await input_store.release(work.connection, keys)
                await upload_store.mark_deleted(work.connection, [key for key in unused if is_upload(key)])
                await delivery_store.forget_contents(work.connection, generation.id)
                await dispute_store.end_deletion(work.connection, generation.id)
                deleted = GenerationDeleted(generation_id=generation.id, inputs=tuple(unused))
                work.emit(await unconfirmed_store.insert(work.connection, deleted))
                event_log.append(work, [deletion_fact(generation, datetime.now(UTC))])
                work.after_commit(self._publish_soon)


def artefact_keys(generation: Generation) -> list[str]:
    """The objects that are this generation's own, its thumbnails among them."""
    own = f"{owner_prefix(generation.owner.kind, generation.owner.id)}generated/{generation.id}/"
    named = (output.get(name) for output in generation.snapshot.outputs for name in ("key", "thumbnail"))
    return [key for key in named if key and key.startswith(own)]

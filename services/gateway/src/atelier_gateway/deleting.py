"""Deleting what a generation made and that it was. Its charge stays in the books: money has no delete."""

import asyncio

from atelier_gateway.problems import Problem
from atelier_gateway.projection import TERMINAL
from atelier_gateway.store import generations
from atelier_gateway.store.generations import Generation
from atelier_messaging.database import Pool
from atelier_storage.errors import StorageUnavailable
from atelier_storage.keys import owner_prefix
from atelier_storage.objects import ObjectStore


class Deleting:
    """Deletes generations that have ended."""

    def __init__(self, pool: Pool, objects: ObjectStore) -> None:
        self._pool = pool
        self._objects = objects

    async def delete(self, generation: Generation) -> None:
        """Raises Problem 409 while it runs, 503 while its objects cannot be removed.

        The objects go first: what is left by a crash in between can be deleted again, an object without a row could
        not.
        """
        if generation.snapshot.rank != TERMINAL:
            raise Problem("conflict", "This generation has not ended; cancel it first.")
        try:
            await asyncio.gather(*(self._objects.remove(key) for key in artefact_keys(generation)))
        except StorageUnavailable:
            raise Problem("unavailable", "The object store does not answer; try again later.") from None
        await generations.delete_ended(self._pool, generation.id, generation.owner)


def artefact_keys(generation: Generation) -> list[str]:
    """The objects that are this generation's own; a result taken over from an earlier one stays with that one."""
    own = f"{owner_prefix(generation.owner.kind, generation.owner.id)}generated/{generation.id}/"
    return [output["key"] for output in generation.snapshot.outputs if output["key"].startswith(own)]

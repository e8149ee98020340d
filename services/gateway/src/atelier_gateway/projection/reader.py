"""Reads of single generations by their owners. Those that arrive while one is being read share the next statement."""

from collections.abc import Sequence
from uuid import UUID

from atelier_contracts import Owner
from atelier_gateway.projection import store as projection_store
from atelier_gateway.projection.store import Generation
from atelier_messaging import Batcher, Overloaded
from atelier_messaging.database import Pool

BATCH_MAX = 100


class GenerationReader:
    """Reads what is committed when it is called. A read that comes alone is one plain statement."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._reads: Batcher[tuple[UUID, Owner], Generation | None] = Batcher(self._read, batch_max=BATCH_MAX)

    async def find_for_owner(self, id_: UUID, owner: Owner) -> Generation | None:
        """The generation, if it is this owner's."""
        try:
            return await self._reads.submit((id_, owner))
        except Overloaded:
            return await projection_store.find_for_owner(self._pool, id_, owner)

    async def _read(self, wanted: Sequence[tuple[UUID, Owner]]) -> Sequence[Generation | None]:
        if len(wanted) == 1:
            return [await projection_store.find_for_owner(self._pool, *wanted[0])]
        found = await projection_store.find_for_owners(self._pool, set(wanted))
        return [found.get(each) for each in wanted]

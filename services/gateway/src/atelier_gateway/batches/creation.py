"""Takes batches and files in, within what an owner may have lying about."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

from uuid_utils.compat import uuid7

from atelier_contracts import Owner
from atelier_gateway.batches import file_store, row_store, store
from atelier_gateway.batches.file_store import BatchFile
from atelier_gateway.batches.planning import Plan
from atelier_gateway.batches.records import Batch
from atelier_gateway.web.problems import Problem
from atelier_messaging import Transaction, UnitOfWork

Record = Callable[[Transaction], None]
OPEN_MAX = 100
"""Batches of one owner that have not ended."""
FILES_BYTES_MAX = 1024**3
"""Bytes of the files that one owner has uploaded."""


class BatchCreator:
    """Writes new batches and files down."""

    def __init__(self, unit: UnitOfWork) -> None:
        self._unit = unit

    async def create(self, batch: Batch, plan: Plan | None = None, record: Record | None = None) -> None:
        """The batch, with its rows where it is planned already; ``record`` writes into the same transaction. Raises
        Problem 429 where the owner has too many."""
        async with self._unit.once(dispatch=False) as tx:
            if await store.count_open(tx.connection, batch.owner) >= OPEN_MAX:
                detail = f"{OPEN_MAX} of your batches have not ended; wait for one to end."
                raise Problem("tenant_queue_full", detail, headers={"Retry-After": "60"})
            await store.insert(tx.connection, batch)
            if plan is not None:
                await row_store.insert(tx.connection, batch.id, plan.rows, plan.price_of)
            if record is not None:
                record(tx)

    async def store_file(self, owner: Owner, purpose: str, filename: str, content: bytes, life_s: int) -> BatchFile:
        """The file. Raises Problem 429 where the owner's files take too much room."""
        now, size = datetime.now(UTC), len(content)
        file = BatchFile(uuid7(), purpose, filename, size, None, None, now, now + timedelta(seconds=life_s))
        async with self._unit.once(dispatch=False) as tx:
            if await file_store.count_bytes(tx.connection, owner) + size > FILES_BYTES_MAX:
                raise Problem("uploads_full", "Your files take up all of their room; delete some.")
            await file_store.insert(tx.connection, owner, file, content)
        return file

    async def delete(self, id_: UUID) -> None:
        """Removes a batch with its rows and files; what was made stays. Raises Problem 409 while it has not ended."""
        async with self._unit.once(dispatch=False) as tx:
            if not await store.delete_ended(tx.connection, id_):
                raise Problem("conflict", "This batch has not ended; cancel it first.")

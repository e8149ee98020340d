"""Ends a batch whose rows have all ended, and gives it its files where its surface has files.

A file of a batch has no content of its own: it is made of the rows and their generations when it is read, so that its
URLs are fresh and what was deleted is gone from it, too.
"""

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta

from uuid_utils.compat import uuid7

from atelier_gateway.batches import file_store, store
from atelier_gateway.batches.file_store import BatchFile
from atelier_gateway.batches.records import PARTS, Batch, BatchState, Part
from atelier_messaging import UnitOfWork

Measure = Callable[[Batch, Part], Awaitable[int]]
"""The bytes of a part of a batch as it would be read."""
OUTPUT_PURPOSE = "batch_output"


class FileMaker:
    """Ends batches."""

    def __init__(self, unit: UnitOfWork, measures: Mapping[str, Measure], *, kept_days: int) -> None:
        """``measures``: by surface, for those that have files."""
        self._unit = unit
        self._measures = measures
        self._kept = timedelta(days=kept_days)

    async def finish(self, batch: Batch, state: BatchState) -> None:
        """Ends it in this state."""
        tally = (await store.count_rows(self._unit.pool, [batch.id]))[batch.id]
        measure, files = self._measures.get(batch.surface), dict[Part, BatchFile]()
        for part, states in PARTS.items():
            if measure is not None and tally.count(*states):
                files[part] = self._file(batch, part, await measure(batch, part))
        ids = {part: file.id for part, file in files.items()}
        async with self._unit.once(dispatch=False) as tx:
            if await store.end(tx.connection, batch.id, state, ids.get("output"), ids.get("errors")):
                for file in files.values():
                    await file_store.insert(tx.connection, batch.owner, file)

    def _file(self, batch: Batch, part: Part, size: int) -> BatchFile:
        now = datetime.now(UTC)
        life = self._kept if batch.output_life_s is None else timedelta(seconds=batch.output_life_s)
        name = f"batch_{batch.id.hex}_{'output' if part == 'output' else 'error'}.jsonl"
        return BatchFile(uuid7(), OUTPUT_PURPOSE, name, size, batch.id, part, now, now + min(life, self._kept))

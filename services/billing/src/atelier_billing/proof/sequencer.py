"""Appends to the log what is on the books, signs checkpoints, and keeps the last one outside the database.

One process at a time, in batches, beside the hot path. A checkpoint outside that the tree no longer continues is not
replaced: it is the proof that the books were changed.
"""

import logging
import time
from pathlib import Path

from atelier_billing.proof import log_store
from atelier_billing.proof.checkpoints import BadCheckpoint, Checkpoint, open_checkpoint, sign_checkpoint
from atelier_billing.proof.issuer import ReceiptIssuer
from atelier_billing.proof.log_store import Entry
from atelier_billing.proof.merkle import LEVELS, WIDTH, Node, Range, fold, range_hash
from atelier_billing.proof.signing_keys import SigningKeys
from atelier_messaging.database import Connection, Pool
from atelier_telemetry import metrics

BATCH_MAX = 2_000
logger = logging.getLogger(__name__)


class LogSequencer:
    """The writer of the log of this name."""

    def __init__(
        self,
        pool: Pool,
        issuer: ReceiptIssuer,
        keys: SigningKeys,
        origin: str,
        *,
        checkpoint_file: Path | None = None,
        checkpoint_every_s: float = 0.0,
    ) -> None:
        self._pool = pool
        self._issuer = issuer
        self._keys = keys
        self.origin = origin
        self._file = checkpoint_file
        self._every_s = checkpoint_every_s
        self._signed_at = 0.0

    async def run_once(self) -> None:
        """Issues the receipts that are due, enters what waits, and signs a checkpoint if it is time."""
        await self._issuer.issue_due()
        while await self._append_batch() == BATCH_MAX:
            pass
        if time.monotonic() - self._signed_at >= self._every_s:
            await self._sign_checkpoint()
            self._signed_at = time.monotonic()

    def read_outside(self) -> str | None:
        """The checkpoint in the configured file; None where there is none."""
        return self._file.read_text() if self._file and self._file.exists() else None

    async def _append_batch(self) -> int:
        async with self._pool.acquire() as connection, connection.transaction():
            if not await log_store.lock_log(connection):
                return 0
            entries = await log_store.take_entries(connection, rows_max=BATCH_MAX)
            if entries:
                size = await log_store.size_of_log(connection)
                await log_store.append(connection, size, entries)
                await _complete_subtrees(connection, size, entries)
        return len(entries)

    async def _sign_checkpoint(self) -> None:
        async with self._pool.acquire() as connection, connection.transaction():
            if not await log_store.lock_log(connection):
                return
            size = await log_store.size_of_log(connection)
            latest = await log_store.latest_checkpoint(connection)
            fault = await self._contradiction(connection, size)
            metrics.LOG_CONTRADICTED.set(fault is not None)
            if fault:
                logger.error("checkpoint failed, none is signed until an operator has decided: %s", fault)
                return
            if size and (latest is None or latest[0] != size):
                checkpoint = Checkpoint(self.origin, size, await root_of(connection, size))
                note = sign_checkpoint(checkpoint, self._keys)
                await log_store.add_checkpoint(connection, size, note)
            elif latest is None:
                return
            else:
                note = latest[1]
            self._write_outside(note)

    async def _contradiction(self, connection: Connection, size: int) -> str | None:
        """How the tree differs from the checkpoint outside; None where it continues it."""
        note = self.read_outside()
        if note is None:
            return None
        try:
            outside = open_checkpoint(note, self.origin, self._keys.public)
        except BadCheckpoint as error:
            return f"{self._file}: {error}"
        if outside.size > size:
            return f"the log has {size} entries, the checkpoint outside signs {outside.size}"
        if await root_of(connection, outside.size) != outside.root:
            return f"the first {outside.size} entries are not those that the checkpoint outside signs"
        return None

    def _write_outside(self, note: str) -> None:
        if self._file is None:
            return
        beside = self._file.with_name(f"{self._file.name}.new")
        try:
            beside.write_text(note)
            beside.replace(self._file)
        except OSError as error:
            logger.error("checkpoint not written to %s, it is tried again with the next: %s", self._file, error)


async def root_of(connection: Connection, size: int) -> bytes:
    """The root over the first ``size`` entries, from the stored nodes."""
    leaves = Range(0, size)
    return range_hash(leaves, await log_store.nodes_of(connection, [leaves]))


async def _complete_subtrees(connection: Connection, size: int, entries: list[Entry]) -> None:
    """Stores the subtrees that these entries complete, level by level."""
    level, first, hashes = 0, size, [entry.hash for entry in entries]
    while hashes:
        start = first - first % WIDTH
        row = await log_store.hashes_of(connection, level, start, first) + hashes
        level, first = level + LEVELS, start >> LEVELS
        hashes = [fold(row[at : at + WIDTH]) for at in range(0, len(row) - WIDTH + 1, WIDTH)]
        if hashes:
            subtrees = [(Node(level, first + at), hash_) for at, hash_ in enumerate(hashes)]
            await log_store.add_subtrees(connection, subtrees)

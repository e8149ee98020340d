"""Appends to the log what is on the books, signs checkpoints, and keeps the last one outside the database.

One process at a time, in batches, beside the hot path. A checkpoint outside that the tree no longer continues is not
replaced: it is the proof that the books were changed.
"""

import asyncio
import logging
import os
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
        """The checkpoint in the configured file; None where there is none. Raises BadCheckpoint if it is unreadable."""
        if self._file is None:
            return None
        try:
            return self._file.read_text()
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise BadCheckpoint(f"it cannot be read: {error}") from error

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
            note = None
            try:
                fault = await self._contradiction(connection, size)
                if fault is None:
                    note = await self._latest_note(connection, size)
            except KeyError as error:
                fault = f"the stored hash {error.args[0]} is missing"
            metrics.LOG_CONTRADICTED.set(fault is not None)
            if fault:
                logger.error("checkpoint failed, none is signed until an operator has decided: %s", fault)
            elif note is not None:
                await asyncio.to_thread(self._write_outside, note)

    async def _latest_note(self, connection: Connection, size: int) -> str | None:
        """The checkpoint of this size, signed now if it is new; None for an empty log.

        Raises KeyError for a stored hash that is missing.
        """
        latest = await log_store.latest_checkpoint(connection)
        if size and (latest is None or latest[0] != size):
            checkpoint = Checkpoint(self.origin, size, await root_of(connection, size))
            note = sign_checkpoint(checkpoint, self._keys)
            await log_store.add_checkpoint(connection, size, note)
            return note
        return latest[1] if latest else None

    async def _contradiction(self, connection: Connection, size: int) -> str | None:
        """How the tree differs from the checkpoint outside; None where it continues it.

        Raises KeyError for a stored hash that is missing.
        """
        try:
            note = self.read_outside()
            if note is None:
                return None
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
            with beside.open("w") as file:
                file.write(note)
                file.flush()
                # Before the rename, else a power cut can leave an empty file in the place of the last checkpoint.
                os.fsync(file.fileno())
            beside.replace(self._file)
            _sync_folder(self._file.parent)
        except OSError as error:
            logger.error("checkpoint not written to %s, it is tried again with the next: %s", self._file, error)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


async def root_of(connection: Connection, size: int) -> bytes:
    """The root over the first ``size`` entries, from the stored nodes. Raises KeyError for one that is missing."""
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

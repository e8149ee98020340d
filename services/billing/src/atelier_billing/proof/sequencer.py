"""Appends to the log what is on the books, signs checkpoints, and keeps the last one outside the database.

One process at a time, in batches, beside the hot path. A checkpoint outside that the tree no longer continues is not
replaced: it is the proof that the books were changed.
"""

import logging
import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from atelier_billing.proof import log_store, receipt_store
from atelier_billing.proof.checkpoint_stores import CheckpointStore, StoreUnavailable
from atelier_billing.proof.checkpoints import BadCheckpoint, Checkpoint, open_checkpoint, sign_checkpoint
from atelier_billing.proof.issuer import BATCH_MAX as RECEIPTS_MAX
from atelier_billing.proof.issuer import ReceiptIssuer
from atelier_billing.proof.log_store import Entry
from atelier_billing.proof.merkle import LEVELS, WIDTH, Node, Range, fold, leaf_hash, range_hash
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
        stores: Sequence[CheckpointStore] = (),
        checkpoint_every_s: float = 0.0,
    ) -> None:
        self._pool = pool
        self._issuer = issuer
        self._keys = keys
        self.origin = origin
        self._stores = stores
        self._every_s = checkpoint_every_s
        self._signed_at = 0.0
        self._sent: dict[str, str] = {}

    async def run_once(self) -> None:
        """Issues the receipts that are due, enters what waits, and signs a checkpoint if it is time."""
        if await log_store.is_any_waiting(self._pool):
            while await self._append_batch():
                pass
        if time.monotonic() - self._signed_at >= self._every_s:
            await self._sign_checkpoint()
            self._signed_at = time.monotonic()

    async def read_outside(self) -> dict[str, str]:
        """The last checkpoint by the name of each store outside that has one and answers. Raises BadCheckpoint if one
        is unreadable."""
        return (await self._read_stores())[0]

    async def open_outside(self) -> list[Checkpoint]:
        """The same, each opened. Raises BadCheckpoint."""
        notes = (await self.read_outside()).values()
        return [open_checkpoint(note, self.origin, self._keys.public) for note in notes]

    async def describe_outside(self) -> list[dict[str, Any]]:
        """What each store outside holds now: ``{store, size, error}``; the size is null where it holds none."""
        described: list[dict[str, Any]] = []
        for store in self._stores:
            size = fault = None
            try:
                note = await store.read()
                size = open_checkpoint(note, self.origin, self._keys.public).size if note else None
            except (BadCheckpoint, StoreUnavailable) as error:
                fault = str(error)
            described.append({"store": store.name, "size": size, "error": fault})
        return described

    async def _append_batch(self) -> bool:
        """Issues a batch of receipts and enters it with a batch of what waits. Whether more may wait."""
        async with self._pool.acquire() as connection, connection.transaction():
            if not await log_store.lock_log(connection):
                return False
            batch = await self._issuer.sign_batch(connection)
            postings = {posting.id: posting for ending in batch.endings for posting in ending.postings}
            waiting = await log_store.take_entries(connection, rows_max=BATCH_MAX, known=postings)
            issued = [Entry("receipt", receipt.id, leaf_hash(receipt.body.encode())) for receipt in batch.receipts]
            if entries := sorted([*waiting, *issued], key=lambda entry: entry.id):
                size = await log_store.size_of_log(connection)
                await log_store.append(connection, size, entries)
                await _complete_subtrees(connection, size, entries)
            # After their entries: a receipt that is stored without one waits for it.
            await receipt_store.add(connection, batch.receipts)
        return len(waiting) == BATCH_MAX or len(batch.endings) == RECEIPTS_MAX

    async def _sign_checkpoint(self) -> None:
        async with self._pool.acquire() as connection, connection.transaction():
            if not await log_store.lock_log(connection):
                return
            size = await log_store.size_of_log(connection)
            held: dict[str, str] = {}
            silent: set[str] = set()
            note = None
            try:
                held, silent = await self._read_stores()
                fault = await self._contradiction(connection, size, held)
                if fault is None:
                    note = await self._latest_note(connection, size)
            except BadCheckpoint as error:
                fault = str(error)
            except KeyError as error:
                fault = f"the stored hash {error.args[0]} is missing"
            metrics.LOG_CONTRADICTED.set(fault is not None)
            if fault:
                logger.error("checkpoint failed, none is signed until an operator has decided: %s", fault)
            elif note is not None:
                await self._write_stores(note, held, silent)

    async def _read_stores(self) -> tuple[dict[str, str], set[str]]:
        """The checkpoint in each store that has one, and the stores that do not answer. Raises BadCheckpoint."""
        held: dict[str, str] = {}
        silent: set[str] = set()
        for store in self._stores:
            try:
                note = await store.read()
            except StoreUnavailable as error:
                logger.warning("reading the checkpoint in %s failed, tried again with the next: %s", store.name, error)
                silent.add(store.name)
            except BadCheckpoint as error:
                raise BadCheckpoint(f"{store.name}: {error}") from error
            else:
                held |= {store.name: note} if note is not None else {}
        return held, silent

    async def _write_stores(self, note: str, held: Mapping[str, str], silent: Collection[str]) -> None:
        """Writes to each store that lacks it. One that could not be read, and so not compared, is left as it is."""
        for store in self._stores:
            known = held.get(store.name) if store.can_be_read else self._sent.get(store.name)
            if known != note and store.name not in silent:
                try:
                    await store.write(note)
                    known = self._sent[store.name] = note
                except StoreUnavailable as error:
                    logger.error("checkpoint not written to %s, tried again with the next: %s", store.name, error)
            metrics.LOG_CHECKPOINT_UNWRITTEN.labels(store.name).set(known != note)

    async def _latest_note(self, connection: Connection, size: int) -> str | None:
        """The checkpoint of this size, signed now if it is new; None for an empty log.

        A log that goes on under another name, as after a restore, signs its size again under that one. Raises KeyError
        for a stored hash that is missing.
        """
        latest = await log_store.latest_checkpoint(connection)
        if size and (latest is None or latest[0] != size or not latest[1].startswith(f"{self.origin}\n")):
            checkpoint = Checkpoint(self.origin, size, await root_of(connection, size))
            note = sign_checkpoint(checkpoint, self._keys)
            await log_store.add_checkpoint(connection, size, note)
            return note
        return latest[1] if latest else None

    async def _contradiction(self, connection: Connection, size: int, held: Mapping[str, str]) -> str | None:
        """How the tree differs from a checkpoint outside; None where it continues all of them.

        Raises KeyError for a stored hash that is missing, BadCheckpoint.
        """
        for name, note in held.items():
            try:
                outside = open_checkpoint(note, self.origin, self._keys.public)
            except BadCheckpoint as error:
                raise BadCheckpoint(f"{name}: {error}") from error
            if outside.size > size:
                return f"the log has {size} entries, the checkpoint in {name} signs {outside.size}"
            if await root_of(connection, outside.size) != outside.root:
                return f"the first {outside.size} entries are not those that the checkpoint in {name} signs"
        return None


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

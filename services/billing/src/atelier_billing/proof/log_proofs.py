"""Proofs from the log: that an entry is in a signed tree, and that one tree continues another."""

import base64
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from atelier_billing.proof import log_store
from atelier_billing.proof.merkle import Range, consistency_ranges, inclusion_ranges, range_hash
from atelier_messaging.database import Connection, Pool


class NotInTree(Exception):
    """There is no such entry or size in a signed tree yet; the text says so to a client."""


async def latest_checkpoint(pool: Pool) -> str | None:
    """The last signed checkpoint as a note; None before the first."""
    async with pool.acquire() as connection:
        latest = await log_store.latest_checkpoint(connection)
    return latest[1] if latest else None


async def prove_inclusion(pool: Pool, entry_id: UUID) -> dict[str, Any]:
    """That a posting or a receipt is in the tree of the last checkpoint, which comes with it. Raises NotInTree."""
    async with pool.acquire() as connection:
        latest, index = await log_store.latest_checkpoint(connection), await log_store.position_of(connection, entry_id)
        if latest is None or index is None or index >= latest[0]:
            raise NotInTree("no checkpoint covers it yet; try again in a few seconds")
        hashes = await _hashes(connection, inclusion_ranges(index, latest[0]))
    return {"leaf_index": index, "tree_size": latest[0], "hashes": hashes, "checkpoint": latest[1]}


async def prove_consistency(pool: Pool, old: int, new: int | None = None) -> dict[str, Any]:
    """That the tree of ``new`` entries (default: of the last checkpoint) continues the one of ``old``. Raises
    NotInTree."""
    async with pool.acquire() as connection:
        latest = await log_store.latest_checkpoint(connection)
        size = latest[0] if latest else 0
        new = size if new is None else new
        if not 0 < old <= new <= size:
            raise NotInTree(f"sizes from 1 to {size} can be compared, the smaller one first")
        hashes = await _hashes(connection, consistency_ranges(old, new))
    return {"old_size": old, "tree_size": new, "hashes": hashes}


async def _hashes(connection: Connection, ranges: Sequence[Range]) -> list[str]:
    stored = await log_store.nodes_of(connection, ranges)
    return [base64.b64encode(range_hash(leaves, stored)).decode() for leaves in ranges]

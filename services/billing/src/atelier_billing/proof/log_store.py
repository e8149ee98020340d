"""The SQL of the log: what waits to be entered, its entries, its complete subtrees, its checkpoints."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any
from uuid import UUID

from atelier_billing.proof.merkle import Node, Range, leaf_hash, stored_nodes
from atelier_billing.proof.receipt_store import POSTING_COLUMNS, body_of
from atelier_billing.proof.receipts import LedgerPosting, posting_leaf
from atelier_messaging.database import Connection, Pool

SEQUENCER_LOCK = 7_283_303
"""Of the advisory lock under which one process at a time appends."""
_LOCK = "SELECT pg_try_advisory_xact_lock($1)"
_IS_ANY_WAITING = "SELECT EXISTS (SELECT FROM unissued_receipts) OR EXISTS (SELECT FROM unlogged_entries)"
_TAKE = """
DELETE FROM unlogged_entries WHERE entry_id IN (SELECT entry_id FROM unlogged_entries ORDER BY entry_id LIMIT $1)
RETURNING kind, entry_id
"""
_POSTINGS = f"SELECT {POSTING_COLUMNS} FROM postings WHERE id = ANY($1::uuid[])"  # noqa: S608 - constants only
_RECEIPTS = "SELECT id, body, packed FROM receipts WHERE id = ANY($1::uuid[])"
_SIZE = "SELECT COALESCE(max(position) + 1, 0) FROM log_entries"
_APPEND = """
INSERT INTO log_entries (position, kind, entry_id, leaf_hash)
SELECT $1 + e.ordinality - 1, e.kind, e.entry_id, e.leaf_hash
FROM unnest($2::text[], $3::uuid[], $4::bytea[]) WITH ORDINALITY AS e(kind, entry_id, leaf_hash)
"""
_LEAVES = "SELECT position, leaf_hash AS hash FROM log_entries WHERE position >= $1 AND position < $2"
_SUBTREES = "SELECT position, hash FROM log_subtrees WHERE level = $3 AND position >= $1 AND position < $2"
_ADD_SUBTREES = """
INSERT INTO log_subtrees (level, position, hash) SELECT * FROM unnest($1::smallint[], $2::bigint[], $3::bytea[])
"""
_POSITION = "SELECT position FROM log_entries WHERE entry_id = $1"
_ADD_CHECKPOINT = "INSERT INTO log_checkpoints (size, note) VALUES ($1, $2) ON CONFLICT DO NOTHING"
_LATEST = "SELECT size, note FROM log_checkpoints ORDER BY size DESC LIMIT 1"
NONE_KNOWN: Mapping[UUID, LedgerPosting] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Entry:
    """A posting or a receipt with the hash of its leaf."""

    kind: str
    id: UUID
    hash: bytes


async def lock_log(connection: Connection) -> bool:
    """Whether this transaction is now the only one that appends."""
    return bool(await connection.fetchval(_LOCK, SEQUENCER_LOCK))


async def is_any_waiting(pool: Pool) -> bool:
    """Whether a receipt is to be issued, or a posting or a receipt to be entered."""
    return bool(await pool.fetchval(_IS_ANY_WAITING))


async def take_entries(connection: Connection, *, rows_max: int, known: Mapping[UUID, LedgerPosting]) -> list[Entry]:
    """Takes the oldest of what waits, in any order. The known postings are those that this transaction has read."""
    rows = await connection.fetch(_TAKE, rows_max)
    leaves = await leaves_of(connection, [(row["kind"], row["entry_id"]) for row in rows], known)
    return [Entry(kind, id_, leaf_hash(data)) for (kind, id_), data in leaves.items()]


async def leaves_of(
    connection: Connection, entries: Iterable[tuple[str, UUID]], known: Mapping[UUID, LedgerPosting] = NONE_KNOWN
) -> dict[tuple[str, UUID], bytes]:
    """The bytes of these entries as they are in the tables now; those that are gone are left out."""
    leaves: dict[tuple[str, UUID], bytes] = {}
    ids: dict[str, list[UUID]] = {"posting": [], "receipt": []}
    for kind, id_ in entries:
        if kind == "posting" and id_ in known:
            leaves[kind, id_] = posting_leaf(known[id_])
        else:
            ids[kind].append(id_)
    if ids["posting"]:
        for row in await connection.fetch(_POSTINGS, ids["posting"]):
            leaves["posting", row["id"]] = posting_leaf(LedgerPosting(*row))
    if ids["receipt"]:
        for row in await connection.fetch(_RECEIPTS, ids["receipt"]):
            leaves["receipt", row["id"]] = body_of(row)
    return leaves


async def size_of_log(connection: Connection) -> int:
    """The number of entries."""
    return int(await connection.fetchval(_SIZE))


async def append(connection: Connection, size: int, entries: Sequence[Entry]) -> None:
    """Enters them behind the first ``size``."""
    kinds, ids = [entry.kind for entry in entries], [entry.id for entry in entries]
    await connection.execute(_APPEND, size, kinds, ids, [entry.hash for entry in entries])


async def hashes_of(connection: Connection, level: int, first: int, end: int) -> list[bytes]:
    """The stored hashes of one level, from position ``first`` to before ``end``."""
    rows = await _nodes(connection, level, first, end)
    return [row["hash"] for row in sorted(rows, key=lambda row: row["position"])]


async def add_subtrees(connection: Connection, subtrees: Sequence[tuple[Node, bytes]]) -> None:
    """Stores the hashes of complete subtrees."""
    nodes = [node for node, _ in subtrees]
    levels, positions = [node.level for node in nodes], [node.position for node in nodes]
    await connection.execute(_ADD_SUBTREES, levels, positions, [hash_ for _, hash_ in subtrees])


async def nodes_of(connection: Connection, ranges: Iterable[Range]) -> dict[Node, bytes]:
    """The stored nodes that the hashes of the ranges are made of."""
    found: dict[Node, bytes] = {}
    for leaves in ranges:
        for level, first, count in stored_nodes(leaves):
            for row in await _nodes(connection, level, first, first + count):
                found[Node(level, row["position"])] = row["hash"]
    return found


async def position_of(connection: Connection, entry_id: UUID) -> int | None:
    """Where a posting or a receipt stands in the log."""
    found: int | None = await connection.fetchval(_POSITION, entry_id)
    return found


async def add_checkpoint(connection: Connection, size: int, note: str) -> None:
    """Stores a signed checkpoint."""
    await connection.execute(_ADD_CHECKPOINT, size, note)


async def latest_checkpoint(connection: Connection) -> tuple[int, str] | None:
    """Size and text of the last signed checkpoint."""
    row = await connection.fetchrow(_LATEST)
    return (row["size"], row["note"]) if row else None


async def _nodes(connection: Connection, level: int, first: int, end: int) -> list[Any]:
    if level == 0:
        return await connection.fetch(_LEAVES, first, end)
    return await connection.fetch(_SUBTREES, first, end, level)

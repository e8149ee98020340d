"""``log verify``: recomputes the whole log from the books and compares it with a checkpoint from outside the database.

A superuser, who can change every row of the database, can make its tables agree with one another; with a signed
checkpoint that he cannot replace he can not. Rows are read in order of the log, in slices, in one snapshot.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from atelier_billing.proof import log_store
from atelier_billing.proof.checkpoints import Checkpoint
from atelier_billing.proof.merkle import Accumulator, leaf_hash
from atelier_billing.proof.receipt_store import body_of
from atelier_billing.proof.sequencer import root_of
from atelier_billing.proof.signing_keys import PublicKey
from atelier_messaging.database import Connection

SLICE = 5_000
VIOLATIONS_MAX = 100
ENTRIES = "SELECT position, kind, entry_id, leaf_hash FROM log_entries WHERE position >= $1 ORDER BY position LIMIT $2"
NOT_ENTERED = """
SELECT 'posting' AS kind, p.id FROM postings p
WHERE NOT EXISTS (SELECT FROM log_entries e WHERE e.entry_id = p.id)
  AND NOT EXISTS (SELECT FROM unlogged_entries u WHERE u.entry_id = p.id)
UNION ALL
SELECT 'receipt', r.id FROM receipts r
WHERE NOT EXISTS (SELECT FROM log_entries e WHERE e.entry_id = r.id)
  AND NOT EXISTS (SELECT FROM unlogged_entries u WHERE u.entry_id = r.id)
LIMIT 100
"""
_SIGNATURES = "SELECT id, body, packed, key_id, signature FROM receipts WHERE id = ANY($1::uuid[])"


@dataclass(slots=True)
class LogVerification:
    """The size and root of the log as recomputed, and the violations; none means that it is right."""

    size: int = 0
    root: bytes = b""
    violations: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether there is no violation."""
        return not self.violations

    def add(self, violation: str) -> None:
        """Notes one more, up to ``VIOLATIONS_MAX``."""
        if len(self.violations) < VIOLATIONS_MAX:
            self.violations.append(violation)


async def verify_log(
    connection: Connection, keys: Iterable[PublicKey], outside: Checkpoint | None = None
) -> LogVerification:
    """Checks every entry against the books, the books against the entries, and the roots."""
    public = {key.id: Ed25519PublicKey.from_public_bytes(key.raw) for key in keys}
    result, tree, outside_root = LogVerification(), Accumulator(), None
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        while entries := await connection.fetch(ENTRIES, tree.size, SLICE):
            await check_slice(connection, entries, public, result)
            for entry in entries:
                if entry["position"] != tree.size:
                    result.add(f"entry {tree.size}: it is missing")
                    return result
                tree.add(entry["leaf_hash"])
                if outside and tree.size == outside.size:
                    outside_root = tree.root()
        for row in await connection.fetch(NOT_ENTERED):
            result.add(f"{row['kind']} {row['id']}: it is on the books and was never entered in the log")
        result.size, result.root = tree.size, tree.root()
        try:
            stored_root = await root_of(connection, tree.size)
        except KeyError as error:
            result.add(f"the stored subtree {error.args[0]} is missing")
        else:
            if stored_root != result.root:
                result.add("the stored subtrees do not lead to the root of the entries")
    if outside:
        _compare(outside, outside_root, result)
    return result


async def check_slice(
    connection: Connection, entries: list[Any], keys: dict[str, Ed25519PublicKey], result: LogVerification
) -> None:
    """Compares these entries, rows of ``log_entries``, with the books as they are now."""
    leaves = await log_store.leaves_of(connection, [(entry["kind"], entry["entry_id"]) for entry in entries])
    for entry in entries:
        named = f"entry {entry['position']}: {entry['kind']} {entry['entry_id']}"
        leaf = leaves.get((entry["kind"], entry["entry_id"]))
        if leaf is None:
            result.add(f"{named} is no longer on the books")
        elif leaf_hash(leaf) != entry["leaf_hash"]:
            result.add(f"{named} is not as it was entered")
    ids: list[UUID] = [entry["entry_id"] for entry in entries if entry["kind"] == "receipt"]
    for row in await connection.fetch(_SIGNATURES, ids):
        if not _is_signed(row, keys):
            result.add(f"receipt {row['id']}: its signature is not by a published key")


def _is_signed(row: Any, keys: dict[str, Ed25519PublicKey]) -> bool:
    try:
        keys[row["key_id"]].verify(row["signature"], body_of(row))
    except (KeyError, InvalidSignature):
        return False
    return True


def _compare(outside: Checkpoint, root: bytes | None, result: LogVerification) -> None:
    if outside.size > result.size:
        result.add(f"the log has {result.size} entries, the checkpoint outside signs {outside.size}")
    elif root != outside.root:
        result.add(f"the first {outside.size} entries are not those that the checkpoint outside signs")

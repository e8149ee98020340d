"""The SQL of receipts, a batch a statement."""

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from atelier_billing.books import HoldState
from atelier_billing.proof.receipt_packing import pack, unpack
from atelier_billing.proof.receipts import Ending, LedgerPosting, SettledHold
from atelier_contracts import GenerationEnd
from atelier_messaging.database import Connection, Pool

POSTING_COLUMNS = "id, kind, owner_id, grant_id, generation_id, debit, credit, credits, posted_at"
_TAKE = """
DELETE FROM unissued_receipts WHERE generation_id IN (
    SELECT generation_id FROM unissued_receipts WHERE $2::uuid IS NULL OR generation_id = $2
    ORDER BY ended_at LIMIT $1 FOR UPDATE
)
RETURNING generation_id, facts, ended_at
"""
_HOLDS = """
SELECT h.generation_id, h.owner_id, a.owner_kind, h.state, h.price_book, h.reused
FROM holds h LEFT JOIN accounts a USING (owner_id) WHERE h.generation_id = ANY($1::uuid[])
"""
_POSTINGS = f"SELECT {POSTING_COLUMNS} FROM postings WHERE generation_id = ANY($1::uuid[]) ORDER BY id"  # noqa: S608 - constants only
_PREVIOUS = """
SELECT DISTINCT ON (generation_id) generation_id, body, packed FROM receipts WHERE generation_id = ANY($1::uuid[])
ORDER BY generation_id, number DESC
"""
_ADD = """
INSERT INTO receipts (id, generation_id, number, packed, key_id, signature)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::int[], $4::bytea[], $5::text[], $6::bytea[])
"""
_LATEST = """
SELECT id, generation_id, number, body, packed, key_id, signature FROM receipts
WHERE generation_id = $1 ORDER BY number DESC LIMIT 1
"""


@dataclass(frozen=True, slots=True)
class SignedReceipt:
    """A receipt as it was issued: canonical JSON, and the signature over these bytes."""

    id: UUID
    generation_id: UUID
    number: int
    body: str
    key_id: str
    signature: bytes


async def take_endings(connection: Connection, *, rows_max: int, only: UUID | None = None) -> list[Ending]:
    """Takes the oldest ends without a receipt out of the queue, with their holds and postings as they are now."""
    rows = await connection.fetch(_TAKE, rows_max, only)
    ids = [row["generation_id"] for row in rows]
    if not ids:
        return []
    holds = {row["generation_id"]: _hold(row) for row in await connection.fetch(_HOLDS, ids)}
    previous = {row["generation_id"]: json.loads(body_of(row)) for row in await connection.fetch(_PREVIOUS, ids)}
    postings: defaultdict[UUID, list[LedgerPosting]] = defaultdict(list)
    for row in await connection.fetch(_POSTINGS, ids):
        postings[row["generation_id"]].append(LedgerPosting(*row))
    return [
        Ending(
            id_,
            previous[id_]["number"] + 1 if id_ in previous else 1,
            row["ended_at"],
            GenerationEnd.model_validate_json(row["facts"]) if row["facts"] else None,
            holds.get(id_),
            postings[id_],
            previous.get(id_),
        )
        for row in sorted(rows, key=lambda row: (row["ended_at"], row["generation_id"]))
        for id_ in (row["generation_id"],)
    ]


async def add(connection: Connection, receipts: Sequence[SignedReceipt]) -> None:
    """Stores them. One that the log does not have yet waits for its entry."""
    if not receipts:
        return
    await connection.execute(
        _ADD,
        [receipt.id for receipt in receipts],
        [receipt.generation_id for receipt in receipts],
        [receipt.number for receipt in receipts],
        [pack(receipt.body.encode()) for receipt in receipts],
        [receipt.key_id for receipt in receipts],
        [receipt.signature for receipt in receipts],
    )


async def find_latest(pool: Pool, generation_id: UUID) -> SignedReceipt | None:
    """The receipt of a generation with the highest number."""
    row = await pool.fetchrow(_LATEST, generation_id)
    return receipt_of_row(row) if row else None


def receipt_of_row(row: Any) -> SignedReceipt:
    """A row of ``receipts`` with all that a signed receipt consists of."""
    body = body_of(row).decode(errors="replace")
    return SignedReceipt(row["id"], row["generation_id"], row["number"], body, row["key_id"], row["signature"])


def body_of(row: Any) -> bytes:
    """The canonical JSON of a row of ``receipts``. One that was altered, so that it cannot be unpacked, is returned as
    it is stored: no signature and no entry in the log is of these bytes."""
    if row["packed"] is None:
        return bytes(row["body"].encode())
    try:
        return unpack(row["packed"])
    except ValueError:
        return bytes(row["packed"])


def _hold(row: Any) -> SettledHold:
    state = HoldState(row["state"])
    return SettledHold(row["owner_id"], row["owner_kind"], state, row["price_book"], row["reused"])

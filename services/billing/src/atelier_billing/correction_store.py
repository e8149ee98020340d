"""SQL of corrections. Each is a row beside its postings, in the same transaction; its id is posted once."""

from typing import Any
from uuid import UUID

from atelier_billing import book_writes, store
from atelier_billing.books import Account, Books, HoldState
from atelier_billing.corrections import Charge, Correction
from atelier_contracts import BooksCorrected, Owner, ReturnCredit
from atelier_messaging import Transaction
from atelier_messaging.database import Connection

_KNOWN = """
SELECT c.*, a.owner_kind, a.available FROM corrections c LEFT JOIN accounts a USING (owner_id) WHERE c.id = $1
"""
_CHARGE = """
SELECT grant_id, sum(credits) FILTER (WHERE kind = 'capture')::bigint AS captured,
       COALESCE(sum(credits) FILTER (WHERE kind = 'return'), 0)::bigint AS returned
FROM postings WHERE generation_id = $1 AND kind IN ('capture', 'return')
GROUP BY grant_id ORDER BY min(id::text)
"""
_ADD = """
INSERT INTO corrections (id, kind, owner_id, generation_id, grant_id, credits, refused, reason, ordered)
VALUES ($1::uuid, $2::text, $3::uuid, $4::uuid, $5::uuid, $6::bigint, $7::text, $8::text, $9::bigint)
"""


async def lock(connection: Connection, command: Correction) -> Books:
    """Locks and loads the hold or the account that the correction changes."""
    if isinstance(command, ReturnCredit):
        return await store.lock_some(connection, [command.generation_id], [])
    return await store.lock_some(connection, [], [command.owner.id])


async def find_charge(connection: Connection, books: Books, generation_id: UUID) -> Charge | None:
    """What is charged for a generation whose hold is locked; None where it has no captured hold."""
    hold = books.holds.get(generation_id)
    if hold is None or hold.state is not HoldState.CAPTURED or hold.owner_id is None:
        return None
    rows = await connection.fetch(_CHARGE, generation_id)
    lots = {row["grant_id"]: row["captured"] - row["returned"] for row in rows}
    return Charge(generation_id, hold.owner_id, lots, sum(row["returned"] for row in rows))


async def find_known(connection: Connection, id_: UUID) -> BooksCorrected | None:
    """The reply to a correction that is on the books, as it is repeated; None where there is none with this id."""
    row = await connection.fetchrow(_KNOWN, id_)
    return _reply_of(row) if row else None


def save(tx: Transaction, books: Books, command: Correction, done: BooksCorrected) -> None:
    """Writes the correction and its postings."""
    book_writes.save_books(tx, books)
    owner_id = done.owner.id if done.owner and done.owner.id in books.wallets else None
    columns = (done.correction_id, done.kind, owner_id, done.generation_id, done.grant_id)
    tx.write("added_corrections", _ADD, *columns, done.credits, done.refused, command.reason, done.ordered)


def _reply_of(row: Any) -> BooksCorrected:
    return BooksCorrected(
        correction_id=row["id"],
        kind=row["kind"],
        owner=Owner(kind=row["owner_kind"], id=row["owner_id"]) if row["owner_id"] else None,
        generation_id=row["generation_id"],
        grant_id=row["grant_id"],
        credits=row["credits"],
        available=row[Account.AVAILABLE.value] or 0,
        refused=row["refused"],
        corrected_before=True,
        ordered=row["ordered"],
    )

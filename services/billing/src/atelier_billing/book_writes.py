"""The SQL that writes what a batch changed on the books, in one statement. What it changes, ``store`` has locked."""

from collections import Counter
from collections.abc import Sequence
from types import MappingProxyType
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from atelier_billing import cap_store
from atelier_billing.books import Account, Books, Hold, Posting
from atelier_billing.labels import UNKNOWN, Labels
from atelier_contracts import GrantCredit
from atelier_messaging import Transaction

_MOVE_BALANCES = """
UPDATE accounts a SET granted = a.granted + m.granted, available = a.available + m.available, held = a.held + m.held,
                      captured = a.captured + m.captured, expired = a.expired + m.expired
FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[])
     AS m(owner_id, granted, available, held, captured, expired)
WHERE a.owner_id = m.owner_id RETURNING 1
"""
_ADD_GRANTS = """
INSERT INTO grants (id, owner_id, credits, remaining, priority, expires_at, reason)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::bigint[], $5::int[], $6::timestamptz[], $7::text[])
"""
_MOVE_GRANTS = """
UPDATE grants g SET remaining = g.remaining + m.credits
FROM unnest($1::uuid[], $2::bigint[]) AS m(id, credits) WHERE g.id = m.id RETURNING 1
"""
_PLACE_HOLDS = """
INSERT INTO holds (generation_id, owner_id, unit_credits, units, price_book, kind, key_id, caps, capped_at, state,
                   captured, refunded, reused, provider, model, settled_at)
SELECT h.generation_id, h.owner_id, h.unit_credits, h.units, h.price_book, h.kind, h.key_id, h.caps::uuid[],
       h.capped_at, h.state, h.captured, h.refunded, h.reused, h.provider, h.model,
       CASE WHEN h.state <> 'open' THEN now() END
FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::int[], $5::text[], $6::text[], $7::uuid[], $8::text[],
            $9::timestamptz[], $10::text[], $11::bigint[], $12::bigint[], $13::bool[], $14::text[], $15::text[])
     AS h(generation_id, owner_id, unit_credits, units, price_book, kind, key_id, caps, capped_at, state, captured,
          refunded, reused, provider, model)
"""
_SETTLE_HOLDS = """
UPDATE holds h SET state = s.state, captured = s.captured, refunded = s.refunded, reused = s.reused,
                   provider = s.provider, model = s.model, settled_at = now()
FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::bigint[], $5::bool[], $6::text[], $7::text[])
     AS s(generation_id, state, captured, refunded, reused, provider, model)
WHERE h.generation_id = s.generation_id AND h.state = 'open' RETURNING 1
"""
_ADD_POSTINGS = """
INSERT INTO postings (id, kind, owner_id, grant_id, generation_id, debit, credit, credits)
SELECT * FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::uuid[], $5::uuid[], $6::text[], $7::text[], $8::bigint[])
"""


def save_books(tx: Transaction, books: Books, labels: Labels = MappingProxyType({})) -> None:
    """Writes what changed: grants given, holds placed or settled, postings appended, balances moved by the postings. A
    hold that another process has placed or settled since the look-up has the batch start over."""
    moved: Counter[UUID] = Counter()
    for p in books.postings:
        moved[p.grant_id] += p.credits * ((p.credit is Account.AVAILABLE) - (p.debit is Account.AVAILABLE))
    if books.new_grants:
        _add_grants(tx, [command for command, _ in books.new_grants], moved)
    new = [hold for hold in books.changed_holds.values() if not hold.known]
    settled = [hold for hold in books.changed_holds.values() if hold.known]
    if new:
        _place_holds(tx, new, labels)
    if settled:
        columns = [hold.generation_id for hold in settled], *_settlement_columns(settled, labels)
        tx.write("settled_holds", _SETTLE_HOLDS, *columns, rows=len(settled))
    if books.postings:
        _post(tx, books.postings)
    if moved:
        tx.write("moved_grants", _MOVE_GRANTS, list(moved), list(moved.values()), rows=len(moved))
    cap_store.save(tx, list(books.changed_caps.values()))


def _add_grants(tx: Transaction, given: Sequence[GrantCredit], moved: Counter[UUID]) -> None:
    """With what is left of them after this batch: an UPDATE in the same statement would not see them."""
    tx.write(
        "added_grants",
        _ADD_GRANTS,
        [c.grant_id for c in given],
        [c.owner.id for c in given],
        [c.credits for c in given],
        [moved.pop(c.grant_id, 0) for c in given],
        [c.priority for c in given],
        [c.expires_at for c in given],
        [c.reason for c in given],
    )


def _place_holds(tx: Transaction, new: Sequence[Hold], labels: Labels) -> None:
    tx.write(
        "placed_holds",
        _PLACE_HOLDS,
        [h.generation_id for h in new],
        [h.owner_id for h in new],
        [h.unit_credits for h in new],
        [h.units for h in new],
        [h.price_book for h in new],
        [labels.get(h.generation_id, UNKNOWN).kind for h in new],
        [labels.get(h.generation_id, UNKNOWN).key_id for h in new],
        [f"{{{','.join(map(str, h.caps))}}}" if h.caps else None for h in new],
        [h.capped_at for h in new],
        *_settlement_columns(new, labels),
        key="holds_pkey",
    )


def _settlement_columns(holds: Sequence[Hold], labels: Labels) -> list[list[Any]]:
    """The columns that a settlement changes, one list each."""
    made = [labels.get(h.generation_id, UNKNOWN) for h in holds]
    return [
        [h.state for h in holds],
        [h.captured for h in holds],
        [h.refunded for h in holds],
        [h.reused for h in holds],
        [each.provider for each in made],
        [each.model for each in made],
    ]


def _post(tx: Transaction, postings: Sequence[Posting]) -> None:
    tx.write(
        "added_postings",
        _ADD_POSTINGS,
        [uuid7() for _ in postings],
        [p.kind for p in postings],
        [p.owner_id for p in postings],
        [p.grant_id for p in postings],
        [p.generation_id for p in postings],
        [p.debit for p in postings],
        [p.credit for p in postings],
        [p.credits for p in postings],
    )
    balances: Counter[tuple[UUID, Account]] = Counter()
    for p in postings:
        balances[p.owner_id, p.debit] -= p.credits
        balances[p.owner_id, p.credit] += p.credits
    owners = sorted({p.owner_id for p in postings})
    columns = (Account.GRANTED, Account.AVAILABLE, Account.HELD, Account.CAPTURED, Account.EXPIRED)
    moves = [[balances[owner, column] for owner in owners] for column in columns]
    tx.write("moved_balances", _MOVE_BALANCES, owners, *moves, rows=len(owners))

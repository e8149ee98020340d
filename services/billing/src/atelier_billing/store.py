"""All SQL of billing. One statement locks and loads what a batch needs, one writes what it changed.

Locks are taken in id order, so batches cannot deadlock.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from atelier_billing import cap_store
from atelier_billing.books import Account, Books, Grant, Hold, HoldState, Posting, Wallet
from atelier_billing.labels import UNKNOWN, Labels
from atelier_billing.ledger import MoneyCommand
from atelier_contracts import CaptureCredit, CreditGranted, GrantCredit, Owner, RefundCredit, ReserveCredit
from atelier_messaging import Transaction
from atelier_messaging.database import Connection

READS_MAX = 4
# Holds first, then accounts, then their caps, each in id order, as every batch does. The grants are those of the
# statement's beginning: what another process did to them while this one waited for the account is not seen. Whoever
# moves grants writes their account: where its row has another version than at the beginning, they are read again. Caps
# are needed of who reserves, and of holds of which credits may go back: of fewer units than are kept.
_LOCK = """
WITH locked_holds AS MATERIALIZED (
    SELECT h.*, (SELECT jsonb_agg(jsonb_build_array(p.grant_id, p.credits) ORDER BY p.id)
                 FROM postings p WHERE p.generation_id = h.generation_id AND p.kind = 'reserve') AS lots
    FROM holds h WHERE h.generation_id = ANY($1::uuid[]) ORDER BY h.generation_id FOR UPDATE OF h
), owners AS MATERIALIZED (
    SELECT unnest($2::uuid[]) AS owner_id UNION SELECT owner_id FROM locked_holds WHERE owner_id IS NOT NULL
), locked_accounts AS MATERIALIZED (
    SELECT *, xmin::text AS version FROM accounts
    WHERE owner_id = ANY(ARRAY(SELECT owner_id FROM owners)) ORDER BY owner_id FOR UPDATE
), lots AS MATERIALIZED (
    SELECT (lot ->> 0)::uuid AS grant_id FROM locked_holds, jsonb_array_elements(lots) AS lot
), wanted_caps AS MATERIALIZED (
    SELECT id FROM caps
    WHERE owner_id = ANY(ARRAY(SELECT owner_id FROM locked_accounts)) AND spender_id = ANY($3::uuid[])
    UNION SELECT unnest(h.caps) FROM locked_holds h JOIN unnest($1::uuid[], $4::int[]) AS c(generation_id, keeping)
        USING (generation_id) WHERE c.keeping < h.units
), locked_caps AS MATERIALIZED (
    SELECT id, owner_kind, owner_id, spender_kind, spender_id, period, credits, since, held, captured, warned FROM caps
    WHERE id = ANY(ARRAY(SELECT id FROM wanted_caps)) ORDER BY id FOR UPDATE
), filled_grants AS (
    SELECT id, owner_id, remaining, priority, expires_at FROM grants
    WHERE owner_id = ANY(ARRAY(SELECT owner_id FROM locked_accounts)) AND NOT is_spent
), emptied_grants AS (
    SELECT id, owner_id, remaining, priority, expires_at FROM grants
    WHERE id = ANY(ARRAY(SELECT grant_id FROM lots)) AND is_spent
)
SELECT now() AS now,
       NOT EXISTS (SELECT FROM locked_accounts l JOIN accounts a USING (owner_id) WHERE a.xmin::text <> l.version)
           AS is_current,
       (SELECT jsonb_agg(h) FROM locked_holds h) AS holds,
       (SELECT jsonb_agg(a) FROM locked_accounts a) AS accounts,
       (SELECT jsonb_agg(c) FROM locked_caps c) AS caps,
       (SELECT jsonb_agg(g) FROM (TABLE filled_grants UNION ALL TABLE emptied_grants) g) AS grants
"""
_ANY_OPEN = "SELECT EXISTS (SELECT FROM holds WHERE generation_id = ANY($1::uuid[]) AND state = 'open')"
_OPEN_ACCOUNTS = """
INSERT INTO accounts (owner_id, owner_kind) SELECT * FROM unnest($1::uuid[], $2::text[]) ON CONFLICT DO NOTHING
"""
_KNOWN_GRANTS = """
SELECT g.id, g.owner_id, a.owner_kind, g.credits, g.priority, g.expires_at, a.available
FROM grants g JOIN accounts a USING (owner_id) WHERE g.id = ANY($1::uuid[])
"""
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
_DUE_OWNERS = """
SELECT DISTINCT owner_id FROM grants WHERE NOT is_spent AND expires_at <= now() LIMIT $1
"""


async def lock_books(connection: Connection, commands: Sequence[MoneyCommand]) -> Books:
    """Locks and loads all that these commands can change: holds, accounts, grants with a remainder."""
    owners = {c.owner.id for c in commands if isinstance(c, ReserveCredit | GrantCredit)}
    reserving = [c for c in commands if isinstance(c, ReserveCredit)]
    spenders = {c.owner.id for c in reserving} | {spender.id for c in reserving for spender in c.spenders}
    granting = [c for c in commands if isinstance(c, GrantCredit)]
    tested = [c for c in commands if isinstance(c, ReserveCredit) and c.owner.is_test]
    if granting or tested:
        opening = [c.owner for c in granting] + [c.owner for c in tested]
        opened = sorted({owner.id: owner.kind for owner in opening}.items())
        await connection.execute(_OPEN_ACCOUNTS, [id_ for id_, _ in opened], [kind for _, kind in opened])
    holds = [(c.generation_id, _units_kept(c)) for c in commands if not isinstance(c, GrantCredit)]
    books = await _lock(connection, holds, owners, spenders)
    if granting:
        known = await connection.fetch(_KNOWN_GRANTS, [c.grant_id for c in granting])
        books.known_grants = {row["id"]: _grant_event_of_row(row) for row in known}
    return books


async def lock_due_books(connection: Connection, *, owners_max: int) -> Books:
    """Locks and loads the wallets in which a grant with a remainder has expired."""
    rows = await connection.fetch(_DUE_OWNERS, owners_max)
    return await _lock(connection, [], [row["owner_id"] for row in rows])


async def lock_some(connection: Connection, generation_ids: Collection[UUID], owner_ids: Collection[UUID]) -> Books:
    """Locks and loads these holds, the accounts of their owners and these accounts."""
    return await _lock(connection, [(id_, 0) for id_ in generation_ids], owner_ids)


def _units_kept(command: ReserveCredit | CaptureCredit | RefundCredit) -> int | None:
    """For how many units of a hold its credits are kept for certain; None where it stays as it is."""
    match command:
        case ReserveCredit():
            return None
        case CaptureCredit() if not command.reused:
            return command.delivered
    return 0


async def _lock(
    connection: Connection,
    holds: Collection[tuple[UUID, int | None]],
    owner_ids: Collection[UUID],
    spender_ids: Collection[UUID] = (),
) -> Books:
    """One statement; a further one only where another process has changed an account while this one waited for it. What
    is locked changes no more: it takes two, or three where the second finds a hold whose account it must wait for."""
    ids, kept = [id_ for id_, _ in holds], [units for _, units in holds]
    wanted = ids, list(owner_ids), list(spender_ids), kept
    for _ in range(READS_MAX):
        row = await connection.fetchrow(_LOCK, *wanted)
        if row is not None and row["is_current"]:
            return _books_of_row(row)
    raise ConnectionAbortedError("the accounts have changed during each reading; the batch starts over")


def _books_of_row(row: Any) -> Books:
    books = Books(now=row["now"])
    for account in row["accounts"] or ():
        owner = Owner(kind=account["owner_kind"], id=UUID(account["owner_id"]))
        books.wallets[owner.id] = Wallet(owner, {name: account[name.value] for name in Account})
    for found in row["grants"] or ():
        expires_at = found["expires_at"] and datetime.fromisoformat(found["expires_at"])
        grant = Grant(UUID(found["id"]), found["remaining"], found["priority"], expires_at)
        books.wallets[UUID(found["owner_id"])].grants[grant.id] = grant
    for hold in map(_hold, row["holds"] or ()):
        books.holds[hold.generation_id] = hold
    for cap in map(cap_store.cap_of, row["caps"] or ()):
        books.caps[cap.id] = cap
    return books


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


async def confirm_declines(connection: Connection, books: Books, declined: Sequence[UUID]) -> None:
    """Starts the batch over if another replica has held credits for one of these while we waited for its account."""
    unseen = [id_ for id_ in declined if (hold := books.holds.get(id_)) is None or not hold.known]
    if unseen and await connection.fetchval(_ANY_OPEN, unseen):
        raise ConnectionAbortedError("a hold was placed by another billing process; the batch starts over")


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


def _grant_event_of_row(row: Any) -> CreditGranted:
    return CreditGranted(
        grant_id=row["id"],
        owner=Owner(kind=row["owner_kind"], id=row["owner_id"]),
        credits=row["credits"],
        available=row["available"],
        priority=row["priority"],
        expires_at=row["expires_at"],
    )


def _hold(row: Mapping[str, Any]) -> Hold:
    return Hold(
        UUID(row["generation_id"]),
        UUID(row["owner_id"]) if row["owner_id"] else None,
        row["unit_credits"],
        row["units"],
        row["price_book"],
        HoldState(row["state"]),
        row["captured"],
        row["refunded"],
        row["reused"],
        {UUID(lot[0]): lot[1] for lot in row["lots"] or ()},
        known=True,
        caps=tuple(map(cap_store.id_of, row["caps"] or ())),
        capped_at=datetime.fromisoformat(row["capped_at"]) if row["capped_at"] else None,
    )

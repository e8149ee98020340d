"""All SQL of billing. Each statement serves a whole batch; locks are taken in id order, so batches cannot deadlock."""

from collections import Counter
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from atelier_billing.ledger import Account, Books, Grant, Hold, HoldState, MoneyCommand, Posting, Wallet
from atelier_contracts import CreditGranted, GrantCredit, Owner, ReserveCredit
from atelier_messaging.database import Connection

_LOCK_HOLDS = """
SELECT h.*, now() AS db_now,
       (SELECT jsonb_agg(jsonb_build_array(p.grant_id, p.credits) ORDER BY p.id)
        FROM postings p WHERE p.generation_id = h.generation_id AND p.kind = 'reserve') AS lots
FROM holds h WHERE h.generation_id = ANY($1::uuid[]) ORDER BY h.generation_id FOR UPDATE OF h
"""
_ANY_OPEN = "SELECT EXISTS (SELECT FROM holds WHERE generation_id = ANY($1::uuid[]) AND state = 'open')"
_OPEN_ACCOUNTS = """
INSERT INTO accounts (owner_id, owner_kind) SELECT * FROM unnest($1::uuid[], $2::text[]) ON CONFLICT DO NOTHING
"""
_LOCK_ACCOUNTS = "SELECT * FROM accounts WHERE owner_id = ANY($1::uuid[]) ORDER BY owner_id FOR UPDATE"
_GRANTS = """
SELECT id, owner_id, remaining, priority, expires_at FROM grants
WHERE (owner_id = ANY($1::uuid[]) AND remaining > 0) OR id = ANY($2::uuid[])
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
WHERE a.owner_id = m.owner_id
"""
_ADD_GRANTS = """
INSERT INTO grants (id, owner_id, credits, remaining, priority, expires_at, reason)
SELECT g.id, g.owner_id, g.credits, 0, g.priority, g.expires_at, g.reason
FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::int[], $5::timestamptz[], $6::text[])
     AS g(id, owner_id, credits, priority, expires_at, reason)
"""
_MOVE_GRANTS = """
UPDATE grants g SET remaining = g.remaining + m.credits
FROM unnest($1::uuid[], $2::bigint[]) AS m(id, credits) WHERE g.id = m.id
"""
_PLACE_HOLDS = """
INSERT INTO holds (generation_id, owner_id, unit_credits, units, price_book, state, captured, refunded, reused,
                   settled_at)
SELECT h.*, CASE WHEN h.state <> 'open' THEN now() END
FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::int[], $5::text[], $6::text[], $7::bigint[], $8::bigint[],
            $9::bool[])
     AS h(generation_id, owner_id, unit_credits, units, price_book, state, captured, refunded, reused)
ON CONFLICT DO NOTHING
"""
_SETTLE_HOLDS = """
UPDATE holds h SET state = s.state, captured = s.captured, refunded = s.refunded, reused = s.reused, settled_at = now()
FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::bigint[], $5::bool[])
     AS s(generation_id, state, captured, refunded, reused)
WHERE h.generation_id = s.generation_id AND h.state = 'open'
"""
_ADD_POSTINGS = """
INSERT INTO postings (id, kind, owner_id, grant_id, generation_id, debit, credit, credits)
SELECT * FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::uuid[], $5::uuid[], $6::text[], $7::text[], $8::bigint[])
"""
_DUE_OWNERS = """
SELECT DISTINCT g.owner_id, a.owner_kind FROM grants g JOIN accounts a USING (owner_id)
WHERE g.remaining > 0 AND g.expires_at <= now() LIMIT $1
"""


async def lock_books(connection: Connection, commands: Sequence[MoneyCommand]) -> Books:
    """Locks and loads all that these commands can change: holds, accounts, grants with a remainder."""
    holds = await connection.fetch(_LOCK_HOLDS, [c.generation_id for c in commands if not isinstance(c, GrantCredit)])
    owners = {c.owner.id: c.owner for c in commands if isinstance(c, ReserveCredit | GrantCredit)}
    granting = [c for c in commands if isinstance(c, GrantCredit)]
    if granting:
        opened = sorted({c.owner.id: c.owner.kind for c in granting}.items())
        await connection.execute(_OPEN_ACCOUNTS, [id_ for id_, _ in opened], [kind for _, kind in opened])
    needed = {*owners, *(row["owner_id"] for row in holds if row["owner_id"])}
    books = await _lock_wallets(connection, needed, [UUID(lot[0]) for row in holds for lot in row["lots"] or ()])
    books.holds = {row["generation_id"]: _hold(row) for row in holds}
    if granting:
        known = await connection.fetch(_KNOWN_GRANTS, [c.grant_id for c in granting])
        books.known_grants = {row["id"]: _grant_event_of_row(row) for row in known}
    return books


async def lock_due_books(connection: Connection, *, owners_max: int) -> Books:
    """Locks and loads the wallets in which a grant with a remainder has expired."""
    rows = await connection.fetch(_DUE_OWNERS, owners_max)
    return await _lock_wallets(connection, {row["owner_id"] for row in rows}, [])


async def _lock_wallets(connection: Connection, owner_ids: set[UUID], grant_ids: Sequence[UUID]) -> Books:
    accounts = await connection.fetch(_LOCK_ACCOUNTS, sorted(owner_ids))
    books = Books(now=await connection.fetchval("SELECT now()"))
    for row in accounts:
        owner = Owner(kind=row["owner_kind"], id=row["owner_id"])
        books.wallets[owner.id] = Wallet(owner, {account: row[account.value] for account in Account})
    # Of the accounts that are locked, and no others: one may have been opened by another process since.
    for row in await connection.fetch(_GRANTS, list(books.wallets), list(grant_ids)):
        grant = Grant(row["id"], row["remaining"], row["priority"], row["expires_at"])
        books.wallets[row["owner_id"]].grants[grant.id] = grant
    return books


async def save_books(connection: Connection, books: Books) -> None:
    """Writes what changed: grants given, holds placed or settled, postings appended, balances moved by the postings."""
    if books.new_grants:
        given = [command for command, _ in books.new_grants]
        await connection.execute(
            _ADD_GRANTS,
            [c.grant_id for c in given],
            [c.owner.id for c in given],
            [c.credits for c in given],
            [c.priority for c in given],
            [c.expires_at for c in given],
            [c.reason for c in given],
        )
    if books.changed_holds:
        await _save_holds(connection, list(books.changed_holds.values()))
    if books.postings:
        await _post(connection, books.postings)


async def confirm_declines(connection: Connection, books: Books, declined: Sequence[UUID]) -> None:
    """Starts the batch over if another replica has held credits for one of these while we waited for its account."""
    unseen = [id_ for id_ in declined if (hold := books.holds.get(id_)) is None or not hold.known]
    if unseen and await connection.fetchval(_ANY_OPEN, unseen):
        raise ConnectionAbortedError("a hold was placed by another billing process; the batch starts over")


async def _save_holds(connection: Connection, holds: Sequence[Hold]) -> None:
    """Places the new ones and settles the known ones, each by compare-and-set: what is not there cannot be locked, so
    another replica may have placed a hold since we looked. Then the batch starts over and sees it."""
    new, known = [h for h in holds if not h.known], [h for h in holds if h.known]
    placed = await connection.execute(
        _PLACE_HOLDS,
        [h.generation_id for h in new],
        [h.owner_id for h in new],
        [h.unit_credits for h in new],
        [h.units for h in new],
        [h.price_book for h in new],
        *_settlement_columns(new),
    )
    settled = await connection.execute(_SETTLE_HOLDS, [h.generation_id for h in known], *_settlement_columns(known))
    if (placed, settled) != (f"INSERT 0 {len(new)}", f"UPDATE {len(known)}"):
        raise ConnectionAbortedError("a hold was changed by another billing process; the batch starts over")


def _settlement_columns(holds: Sequence[Hold]) -> list[list[Any]]:
    """The columns that a settlement changes, one list each."""
    return [
        [h.state for h in holds],
        [h.captured for h in holds],
        [h.refunded for h in holds],
        [h.reused for h in holds],
    ]


async def _post(connection: Connection, postings: Sequence[Posting]) -> None:
    await connection.execute(
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
    grants: Counter[UUID] = Counter()
    for p in postings:
        balances[p.owner_id, p.debit] -= p.credits
        balances[p.owner_id, p.credit] += p.credits
        grants[p.grant_id] += p.credits * ((p.credit is Account.AVAILABLE) - (p.debit is Account.AVAILABLE))
    owners = sorted({p.owner_id for p in postings})
    columns = (Account.GRANTED, Account.AVAILABLE, Account.HELD, Account.CAPTURED, Account.EXPIRED)
    await connection.execute(_MOVE_BALANCES, owners, *([balances[o, column] for o in owners] for column in columns))
    await connection.execute(_MOVE_GRANTS, list(grants), list(grants.values()))


def _grant_event_of_row(row: Any) -> CreditGranted:
    return CreditGranted(
        grant_id=row["id"],
        owner=Owner(kind=row["owner_kind"], id=row["owner_id"]),
        credits=row["credits"],
        available=row["available"],
        priority=row["priority"],
        expires_at=row["expires_at"],
    )


def _hold(row: Any) -> Hold:
    return Hold(
        row["generation_id"],
        row["owner_id"],
        row["unit_credits"],
        row["units"],
        row["price_book"],
        HoldState(row["state"]),
        row["captured"],
        row["refunded"],
        row["reused"],
        {UUID(lot[0]): lot[1] for lot in row["lots"] or ()},
        known=True,
    )

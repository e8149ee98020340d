"""The SQL that locks and loads what a batch needs, in one statement. Locks are taken in id order, so batches cannot
deadlock. What the batch changed is written by ``book_writes``.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from atelier_billing import cap_store
from atelier_billing.books import Account, Books, Grant, Hold, HoldState, Wallet
from atelier_billing.ledger import MoneyCommand
from atelier_contracts import CaptureCredit, CreditGranted, GrantCredit, Owner, RefundCredit, ReserveCredit
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


async def confirm_declines(connection: Connection, books: Books, declined: Sequence[UUID]) -> None:
    """Starts the batch over if another replica has held credits for one of these while we waited for its account."""
    unseen = [id_ for id_ in declined if (hold := books.holds.get(id_)) is None or not hold.known]
    if unseen and await connection.fetchval(_ANY_OPEN, unseen):
        raise ConnectionAbortedError("a hold was placed by another billing process; the batch starts over")


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

"""SQL of caps: their counts as a batch changes them, and what operators set. A cap is locked after its account."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from atelier_billing import caps
from atelier_billing.caps import FOR_GOOD, Cap
from atelier_contracts import CapUse, Owner, SetCap, Spender
from atelier_contracts.value_objects import OwnerKind
from atelier_messaging import Transaction
from atelier_messaging.database import Connection, Pool

VALUES_KEPT = 4_096
"""Ids, owners and spenders that are made once: a batch reads the caps of each of its accounts."""
# What is used is in one of the two columns that an earlier version kept apart; while that still runs, it moves what it
# captures to the other. Both read their sum.
_SAVE = """
UPDATE caps c SET since = n.since, held = n.used, captured = 0, warned = n.warned
FROM unnest($1::uuid[], $2::timestamptz[], $3::bigint[], $4::smallint[]) AS n(id, since, used, warned)
WHERE c.id = n.id RETURNING 1
"""
# Where a cap's period is over, nothing has been reserved in the present one.
_OPEN = """
(SELECT COALESCE(sum(h.unit_credits * h.units), 0) FROM holds h
 WHERE h.owner_id = c.owner_id AND h.state = 'open' AND h.capped_at >= c.since AND c.id = ANY(h.caps))::bigint AS open
"""
_COUNT_OPEN = f"SELECT c.id, {_OPEN} FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[]) AS c(id, owner_id, since)"  # noqa: S608 - constants only
_LOCK_ACCOUNT = "SELECT owner_id FROM accounts WHERE owner_id = $1 FOR UPDATE"
_LOCK = f"SELECT c.*, now() AS now, {_OPEN} FROM caps c WHERE c.id = $1 FOR UPDATE OF c"  # noqa: S608 - constants only
_ADD = """
INSERT INTO caps (id, owner_kind, owner_id, spender_kind, spender_id, period, credits, since)
VALUES ($1, $2, $3, $4, $5, $6, $7, to_timestamp(0)) ON CONFLICT DO NOTHING
"""
_CHANGE = "UPDATE caps SET credits = $2 WHERE id = $1"
_REMOVE = "DELETE FROM caps WHERE id = $1"
_ORDER = """
INSERT INTO cap_orders AS o (cap_id, ordered_at) VALUES ($1, $2)
ON CONFLICT (cap_id) DO UPDATE SET ordered_at = greatest(o.ordered_at, excluded.ordered_at) RETURNING ordered_at
"""
_OF_OWNER = f"""
SELECT c.*, now() AS now, {_OPEN} FROM caps c
WHERE c.owner_kind = $1 AND c.owner_id = $2 AND ($3::uuid IS NULL OR c.id > $3) ORDER BY c.id LIMIT $4
"""  # noqa: S608 - constants only
_RECOUNT = """
SELECT (SELECT COALESCE(sum(unit_credits * units), 0) FROM holds
        WHERE owner_id = $1 AND state = 'open' AND capped_at >= $2 AND $3::uuid = ANY(caps))::bigint AS held,
       (SELECT COALESCE(sum(captured), 0) FROM holds
        WHERE owner_id = $1 AND capped_at >= $2 AND $3::uuid = ANY(caps))::bigint
       - (SELECT COALESCE(sum(p.credits), 0) FROM postings p JOIN holds h USING (generation_id)
          WHERE p.owner_id = $1 AND p.kind = 'return' AND h.capped_at >= $2 AND $3::uuid = ANY(h.caps))::bigint
       AS captured
"""


def save(tx: Transaction, changed: Sequence[Cap]) -> None:
    """Adds the counts of locked caps to the transaction's writes."""
    if changed:
        columns = ("id", "since", "used", "warned")
        values = [[getattr(cap, column) for cap in changed] for column in columns]
        tx.write("changed_caps", _SAVE, *values, rows=len(changed))


async def lock_latest_order(connection: Connection, command: SetCap) -> datetime | None:
    """Locks the account of the cap; returns when the latest command about it was ordered, this one included. None
    where this one does not say when it was ordered."""
    await connection.execute(_LOCK_ACCOUNT, command.owner.id)
    if command.ordered_at is None:
        return None
    latest: datetime = await connection.fetchval(_ORDER, command.cap_id, command.ordered_at)
    return latest


async def find(connection: Connection, id_: UUID) -> Cap | None:
    """The cap in its present period, locked; None where there is none."""
    row = await connection.fetchrow(_LOCK, id_)
    return _present(row) if row else None


async def set_cap(connection: Connection, command: SetCap) -> Cap | None:
    """Sets, changes or removes a cap whose account is locked; returns it as it is now. A new one counts what was
    reserved under it before it was removed."""
    row = await connection.fetchrow(_LOCK, command.cap_id)
    if command.credits is None:
        await connection.execute(_REMOVE, command.cap_id)
        return None
    if row is None:
        spender, owner = command.spender, command.owner
        columns = (owner.kind, owner.id, spender.kind, spender.id, command.period, command.credits)
        await connection.execute(_ADD, command.cap_id, *columns)
        now = await connection.fetchrow(_LOCK, command.cap_id)
    else:
        await connection.execute(_CHANGE, command.cap_id, command.credits)
        now = row
    assert now is not None, "it was added, or is there and locked"
    cap = _present(now)
    cap.credits = command.credits
    if row is None or command.recount:
        counted = await connection.fetchrow(_RECOUNT, command.owner.id, cap.since, cap.id)
        assert counted is not None, "an aggregate has a row"
        cap.held, cap.used = counted["held"], counted["held"] + counted["captured"]
    # What the new limit makes true already is no news.
    cap.warned = caps.percent_of(cap) if cap.used else 0
    await connection.execute(_SAVE, [cap.id], [cap.since], [cap.used], [cap.warned])
    return cap


async def list_for_owner(pool: Pool, owner: Owner, *, after: UUID | None, limit: int) -> list[Cap]:
    """An account's caps in the order of their ids, those past ``after``, each in its present period."""
    return [_present(row) for row in await pool.fetch(_OF_OWNER, owner.kind, owner.id, after, limit)]


async def count_held(connection: Connection, told: Collection[CapUse]) -> dict[UUID, int]:
    """What open holds that are on the books hold under these caps, in the periods that are told of, by cap."""
    caps_once = {cap.id: (cap.owner.id, cap.since or FOR_GOOD) for cap in told}
    owners, since = zip(*caps_once.values(), strict=True)
    return {row["id"]: row["open"] for row in await connection.fetch(_COUNT_OPEN, list(caps_once), owners, since)}


def cap_of(row: Mapping[str, Any]) -> Cap:
    """Of a row, or of one as JSON."""
    since = row["since"]
    return Cap(
        id_of(row["id"]),
        _owner(row["owner_kind"], row["owner_id"]),
        _spender(row["spender_kind"], row["spender_id"]),
        row["period"],
        row["credits"],
        datetime.fromisoformat(since) if isinstance(since, str) else since,
        row["held"] + row["captured"],
        row.get("open", 0),
        row["warned"],
    )


def _present(row: Mapping[str, Any]) -> Cap:
    cap = cap_of(row)
    cap.renew(row["now"])
    return cap


@lru_cache(maxsize=VALUES_KEPT)
def id_of(value: UUID | str) -> UUID:
    """An id of a row, or of one as JSON."""
    return value if isinstance(value, UUID) else UUID(value)


@lru_cache(maxsize=VALUES_KEPT)
def _owner(kind: OwnerKind, id_: UUID | str) -> Owner:
    return Owner(kind=kind, id=id_of(id_))


@lru_cache(maxsize=VALUES_KEPT)
def _spender(kind: str, id_: UUID | str) -> Spender:
    return Spender(kind=kind, id=id_of(id_))
